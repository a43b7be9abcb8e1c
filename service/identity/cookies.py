"""Our cookies: HttpOnly, Secure, SameSite=Lax, Path=/, bound to the host by the `__Host-` prefix.

Without `Secure` the prefix is not allowed (RFC 6265bis), so `PAYWALL_INSECURE_COOKIES` drops both.
"""

from typing import Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from service.settings import Settings

_BLANKS = b" \t"
"""All that may stand around a name or value (RFC 6265bis, 5.6)."""
CookieName = Literal["device", "session", "checkout", "operator", "notices"]


def cookie_name(name: CookieName, settings: Settings) -> str:
    return f"pw_{name}" if settings.insecure_cookies else f"__Host-pw_{name}"


def read_cookie(connection: HTTPConnection, name: CookieName, settings: Settings) -> str | None:
    """The cookie's value; None where there is none, or several that differ.

    Names are compared as bytes: a browser lets a sister host set a name with, say, a no-break space
    before ours, which the framework's parser strips.
    """
    wanted = cookie_name(name, settings).encode()
    pairs = (
        pair.partition(b"=")
        for header, line in connection.scope["headers"]
        if header == b"cookie"
        for pair in line.split(b";")
    )
    found = {value.strip(_BLANKS) for key, _, value in pairs if key.strip(_BLANKS) == wanted}
    return found.pop().decode("latin-1") if len(found) == 1 else None


def set_cookie(
    response: Response, name: CookieName, value: str, settings: Settings, max_age: int | None
) -> None:
    """Set a cookie for `max_age` seconds; None: until the browser closes."""
    response.set_cookie(
        cookie_name(name, settings),
        value,
        max_age=max_age,
        path="/",
        secure=not settings.insecure_cookies,
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, name: CookieName, settings: Settings) -> None:
    set_cookie(response, name, "", settings, max_age=0)
