"""Whether a reader has agreed to take part in experiments: their frontend's consent banner says so.

It isn't stored: each request says it by a cookie that the banner sets on the service's host, or by a header.
"""

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from service.settings import Settings

HEADER = "Paywall-Consent"
COOKIE = "paywall_consent"
PURPOSE = "experiments"
_NAME, _COOKIE = HEADER.lower().encode(), COOKIE.encode()


def takes_part(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether the caller may be in an experiment."""
    return said_in(connection.scope["headers"], settings)


def said_in(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> bool:
    """The same by a request's headers. Both name purposes, with commas or full stops between them."""
    if not settings.experiments_need_consent:
        return True
    for name, value in headers:
        if name == _NAME and _names_it(value):
            return True
        if name == b"cookie":
            pairs = (each.strip().partition(b"=") for each in value.split(b";"))
            if any(key == _COOKIE and _names_it(said) for key, _, said in pairs):
                return True
    return False


def _names_it(said: bytes) -> bool:
    return PURPOSE in said.decode("latin-1").replace(",", ".").replace(" ", "").split(".")
