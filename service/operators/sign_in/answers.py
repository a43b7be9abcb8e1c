"""What a browser gets for each outcome of signing in, and what is read from it before."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from service.clock import AppClocks, Clocks
from service.db.context import AppContext
from service.html.csrf import csrf_token
from service.html.redirect import see_other
from service.identity.cookies import read_cookie, set_cookie
from service.identity.devices import COOKIE_SECONDS, DeviceKey
from service.identity.passwords import AppPasswords
from service.limits.addresses import client_network
from service.operators.frame.kept_form import kept_form
from service.operators.frame.pages import page
from service.operators.frame.visits import csrf_key
from service.operators.sign_in.guessing import TooMany
from service.operators.sign_in.steps import (
    OVER,
    Browser,
    CodeNeeded,
    FormRefused,
    SessionOpened,
    SignIn,
)
from service.running import running_of
from service.settings import AppSettings, Settings


async def signing_in(context: AppContext, passwords: AppPasswords) -> SignIn:
    return SignIn(context, passwords)


async def their_browser(request: Request, settings: AppSettings, clocks: AppClocks) -> Browser:
    """What the browser brings along; a device id that we didn't sign counts as none."""
    device_key = running_of(request).get(DeviceKey)
    return Browser(
        network=client_network(request, settings, clocks),
        device_id=device_key.read(read_cookie(request, "device", settings)),
        former_secret=read_cookie(request, "operator", settings),
    )


_OUTLIVES = 24 * 3600
"""Seconds for which the cookie outlives its session: by it a form that is sent late is known as this operator's."""
SigningIn = Annotated[SignIn, Depends(signing_in)]
TheirBrowser = Annotated[Browser, Depends(their_browser)]


@dataclass(frozen=True)
class GoesOn:
    """Where an operator goes on afterwards: to a page, or to a form that was filled in before (kept_form.py)."""

    next_page: str
    kept: str


def after_password(
    request: Request,
    outcome: SessionOpened | CodeNeeded | FormRefused | TooMany,
    goes_on: GoesOn,
    *,
    email: str,
) -> Response:
    """The next step, or the form again with what was typed, but for the password."""
    if isinstance(outcome, SessionOpened):
        return _signed_in(request, outcome, goes_on)
    if isinstance(outcome, CodeNeeded):
        return page(
            request,
            "code.html",
            **vars(goes_on),
            password_proof=outcome.password_proof,
            refusal=None,
        )
    return _refused(request, "sign_in.html", outcome, **vars(goes_on), email=email)


def after_code(
    request: Request,
    outcome: SessionOpened | FormRefused | TooMany,
    goes_on: GoesOn,
    *,
    password_proof: str,
) -> Response:
    """Signed in, or a form again: that of the code, or from the start where the time is over."""
    if isinstance(outcome, SessionOpened):
        return _signed_in(request, outcome, goes_on)
    if isinstance(outcome, FormRefused) and outcome.sentence == OVER:
        return _refused(request, "sign_in.html", outcome, **vars(goes_on), email="")
    return _refused(request, "code.html", outcome, **vars(goes_on), password_proof=password_proof)


def _refused(
    request: Request, template: str, outcome: FormRefused | TooMany, **entries: str
) -> Response:
    limited = isinstance(outcome, TooMany)
    answer = page(
        request, template, status_code=429 if limited else 401, refusal=outcome.sentence, **entries
    )
    if isinstance(outcome, TooMany):
        answer.headers["Retry-After"] = str(outcome.seconds)
    return answer


def _signed_in(request: Request, opened: SessionOpened, goes_on: GoesOn) -> Response:
    running = running_of(request)
    settings = running.get(Settings)
    now = running.get(Clocks).wall()
    form = kept_form(goes_on.kept, opened.device_id, opened.operator_id, settings, now)
    response: Response = see_other(goes_on.next_page)
    if form is not None:
        csrf = csrf_token(opened.secret, csrf_key(settings))
        response = page(request, "kept_form.html", form=form, csrf=csrf)
    max_age = settings.operator_session_hours * 3600 + _OUTLIVES
    set_cookie(response, "operator", opened.secret, settings, max_age)
    # The same cookie as a reader's: by it this browser is known when somebody guesses elsewhere.
    device = running.get(DeviceKey).sign(opened.device_id)
    if read_cookie(request, "device", settings) != device:
        set_cookie(response, "device", device, settings, COOKIE_SECONDS)
    return response
