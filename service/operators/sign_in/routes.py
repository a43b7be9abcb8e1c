"""The pages of signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from service.db.session import WriteSession
from service.html.csrf import check_csrf
from service.html.redirect import see_other
from service.identity.callers import CurrentActor
from service.identity.cookies import clear_cookie, read_cookie
from service.identity.declarations import PUBLIC
from service.identity.operators import end_operator_session
from service.operators.frame.next_page import SIGN_IN, checked_next
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import csrf_key
from service.operators.sign_in.answers import (
    GoesOn,
    SigningIn,
    TheirBrowser,
    after_code,
    after_password,
)
from service.settings import AppSettings

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in", dependencies=[PUBLIC])
async def show_sign_in(request: Request, actor: CurrentActor, next: str = "") -> Response:  # noqa: A002 the field's name in the address
    """The form; who is signed in already goes on at once."""
    if actor is not None and actor.kind == "operator":
        return see_other(checked_next(next))
    return page(
        request, "sign_in.html", next_page=checked_next(next), email="", refusal=None, kept=""
    )


@router.post("/sign-in", dependencies=[PUBLIC])
async def send_sign_in(
    request: Request,
    signing_in: SigningIn,
    browser: TheirBrowser,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 the field's name in the form
    kept: Annotated[str, Form()] = "",
) -> Response:
    """Open a session, ask for the second factor, or show the form again with one sentence."""
    outcome = await signing_in.by_password(email=email, password=password, browser=browser)
    return after_password(request, outcome, GoesOn(checked_next(next), kept), email=email)


@router.post("/sign-in/code", dependencies=[PUBLIC])
async def send_code(
    request: Request,
    signing_in: SigningIn,
    browser: TheirBrowser,
    password_proof: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    recovery_code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 the field's name in the form
    kept: Annotated[str, Form()] = "",
) -> Response:
    """The second step: open a session, or show its form again."""
    outcome = await signing_in.by_code(
        proof=password_proof, code=recovery_code or code, browser=browser
    )
    return after_code(
        request, outcome, GoesOn(checked_next(next), kept), password_proof=password_proof
    )


@router.post("/sign-out", dependencies=[PUBLIC])
async def send_sign_out(
    request: Request,
    session: WriteSession,
    settings: AppSettings,
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """End the session here and in the browser; without one there is nothing to end."""
    secret = read_cookie(request, "operator", settings)
    response = see_other(SIGN_IN)
    if secret:
        check_csrf(csrf, secret, csrf_key(settings))
        await end_operator_session(session, secret)
        clear_cookie(response, "operator", settings)
    return response
