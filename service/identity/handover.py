"""What a browser gets as a cookie and an app in the answer: the device's value, the session's token."""

from fastapi import Request, Response

from service.identity.callers import Caller
from service.identity.cookies import set_cookie
from service.identity.devices import COOKIE_SECONDS, DeviceKey
from service.identity.sessions import Kind, set_session_cookie
from service.running import running_of
from service.settings import Settings
from service.tokens.schemas import IssuedToken


def remember_device(
    request: Request, response: Response, caller: Caller, device_id: str
) -> str | None:
    """Set the device's cookie for who holds none yet; who sends `Paywall-Device` needs none.

    The signed value, for `device_token`; None where the caller holds the cookie already.
    """
    if caller.holds_cookie:
        return None
    running = running_of(request)
    value = running.get(DeviceKey).sign(device_id)
    if caller.device_id is None:
        set_cookie(response, "device", value, running.get(Settings), max_age=COOKIE_SECONDS)
    return value


def hand_over(
    response: Response, issued: IssuedToken, token: str, kind: Kind, settings: Settings
) -> IssuedToken:
    """Give the session's token to a browser as a cookie, to an app in the answer; never both."""
    if kind == "app":
        return issued.model_copy(update={"refresh_token": token})
    set_session_cookie(response, token, settings)
    return issued
