"""A request to unlock, as it was sent: what a frontend sends for each reader is read in one look."""

from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from starlette.requests import Request
from starlette.types import Receive, Scope

from service.access.schemas import UnlockIn
from service.boundary import fault_of
from service.encoded import Reply
from service.identity import experiment_consent
from service.identity.cookies import read_cookie
from service.identity.devices import HEADER, DeviceKey, SentDevice
from service.settings import Settings

PREFIX, UNLOCK = "/v1/articles/", "/unlock"
Headers = dict[bytes, bytes]
REQUEST_ID = b"x-request-id"
DEVICE, CONSENT = HEADER.lower().encode(), experiment_consent.HEADER.lower().encode()
_LONGEST_BODY, _MOST_DIGITS = 16_384, 5
_REMEMBERED_BODY = 64
_JSON = b"application/json"
_CROSS_SITE = b"cross-site"
_LONGEST_SENT = 1_000
"""Bytes of what was sent, by which an answer is kept with its article."""


class SentUnlock(NamedTuple):
    """A request that `is_plain`, which came at `started` (`time.perf_counter`), and who takes the answer."""

    scope: Scope
    headers: Headers
    body: bytes
    started: float
    reply: Reply

    @property
    def slug(self) -> str:
        path: str = self.scope["path"]
        return path[len(PREFIX) : -len(UNLOCK)]

    @property
    def request(self) -> Request:
        return Request(self.scope)

    @property
    def referrer(self) -> str | None:
        return referrer_of(self.headers.get(b"referer"))

    def device(self, key: DeviceKey, settings: Settings) -> SentDevice:
        """Whose device it comes from."""
        has_cookies = b"cookie" in self.headers
        cookie = read_cookie(self.request, "device", settings) if has_cookies else None
        return key.sent(cookie, self.headers.get(DEVICE, b"").decode("latin-1"))

    @property
    def key(self) -> Hashable | None:
        """All that an answer depends on but for the article and the time; None: too much, or a token."""
        headers, body = self.headers, self.body
        if b"authorization" in headers:
            return None
        cookie, device = headers.get(b"cookie", b""), headers.get(DEVICE, b"")
        referrer, consent = headers.get(b"referer", b""), headers.get(CONSENT, b"")
        length = len(cookie) + len(device) + len(referrer) + len(consent) + len(body)
        return (cookie, device, referrer, consent, body) if length <= _LONGEST_SENT else None

    @property
    def wanted(self) -> UnlockIn | None:
        """What the body asks for; None where the router has to say what is wrong with it."""
        return wanted_of(self.body)


def wanted_of(body: bytes) -> UnlockIn | None:
    """As `SentUnlock.wanted`."""
    try:
        return _read_body(body) if len(body) <= _REMEMBERED_BODY else _read_anew(body)
    except ValueError:
        return None


def referrer_of(named: bytes | None) -> str | None:
    """The header's value as text."""
    return named.decode("latin-1") if named is not None else None


def is_plain(scope: Scope, headers: Headers) -> bool:
    """Whether it is a request to unlock an article and has nothing unusual about it."""
    length = headers.get(b"content-length", b"")
    return (
        scope["method"] == "POST"
        and scope["path"].endswith(UNLOCK)
        and length.isdigit()
        and len(length) <= _MOST_DIGITS
        and int(length) <= _LONGEST_BODY
        and (headers.get(b"content-type") == _JSON or not int(length))
        and b"sec-purpose" not in headers
        # Without an origin, which the caller has looked at, the browser says it this way.
        and (b"origin" in headers or headers.get(b"sec-fetch-site") != _CROSS_SITE)
    )


async def whole_body(receive: Receive) -> bytes | None:
    """The request's body; None: the caller has gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" else None


def _read_anew(body: bytes) -> UnlockIn:
    if len(body) > _REMEMBERED_BODY and fault_of(body) is not None:
        raise ValueError("the router says what is wrong with it")
    return UnlockIn.model_validate_json(body) if body else UnlockIn()


_read_body = lru_cache(maxsize=1_000)(_read_anew)
