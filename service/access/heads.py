"""Headers of answers to unlock, encoded once and put together for each."""

from functools import lru_cache
from typing import NamedTuple

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Scope

from service.access.sent import REQUEST_ID, Headers, SentUnlock
from service.encoded import Head, Whole
from service.identity.cookies import set_cookie
from service.identity.devices import COOKIE_SECONDS
from service.identity.origins import AnswerHeaders
from service.logs import log_request, request_id_of
from service.problems import Problem
from service.settings import Settings

_SET_COOKIE = b"set-cookie"
log = structlog.get_logger()


class Given(NamedTuple):
    """An answer but for the headers that all have."""

    status: int
    head: Head
    parts: tuple[bytes, ...]
    """The body, in pieces."""


class AnswerHeads:
    """Those of one application."""

    def __init__(self, settings: Settings) -> None:
        self._common = AnswerHeaders.of(settings)
        self._completed: dict[bytes | None, Head] = {}
        stand_in = "value"
        answer = Response()
        set_cookie(answer, "device", stand_in, settings, COOKIE_SECONDS)
        (line,) = [value for name, value in answer.raw_headers if name == _SET_COOKIE]
        self._before, _, self._after = line.partition(stand_in.encode())

    def new_device(self, head: Head, signed: str) -> Head:
        """With the cookie of a device that the answer makes, which has this value (identity/devices.py)."""
        cookie = b"%b%b%b" % (self._before, signed.encode(), self._after)
        return Head(
            (*head.named, (_SET_COOKIE, cookie)),
            b"%b%b: %b\r\n" % (head.lines, _SET_COOKIE, cookie),
        )

    def give(self, sent: SentUnlock, given: Given) -> None:
        """Log the request, and answer it."""
        sent.reply(self.whole(sent.scope, sent.headers, sent.started, given))

    def whole(self, scope: Scope, headers: Headers, started: float, given: Given) -> Whole:
        """Log the request that came at `started`; its answer."""
        request_id = request_id_of(headers.get(REQUEST_ID, b""))
        log_request(scope, given.status, started, request_id)
        heads = given.head, self._rest(headers.get(b"origin")), named_by(request_id)
        return Whole(given.status, heads, b"".join(given.parts))

    def refuse(self, sent: SentUnlock, error: Exception) -> None:
        """Answer what failed, as the router would; what isn't a Problem is logged with the request's id."""
        request_id = request_id_of(sent.headers.get(REQUEST_ID, b""))
        if not isinstance(error, Problem):
            path = sent.scope["path"]
            log.error("request.failed", path=path, request_id=request_id, exc_info=error)
            error = Problem("internal-error")
        response = error.response()
        head = Head.of(response.raw_headers)
        given = Given(response.status_code, head, (bytes(response.body),))
        headers = {**sent.headers, REQUEST_ID: request_id.encode()}
        sent.reply(self.whole(sent.scope, headers, sent.started, given))

    def _rest(self, origin: bytes | None) -> Head:
        """What each answer to this origin, a listed one, carries."""
        if origin not in self._completed:
            headers = MutableHeaders()
            self._common.complete(headers, origin.decode("latin-1") if origin is not None else None)
            self._completed[origin] = Head.of(headers.raw)
        return self._completed[origin]


def named_by(request_id: str) -> Head:
    """The header that names the request."""
    value = request_id.encode()
    return Head(((REQUEST_ID, value),), b"x-request-id: " + value + b"\r\n")


@lru_cache(maxsize=1_000)
def described(length: int, media_type: str) -> Head:
    """The headers of a body, the same for many."""
    return Head.of([(b"content-length", b"%d" % length), (b"content-type", media_type.encode())])
