"""The back office's pages. They work without JavaScript; none of them is part of the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from service.db.session import ReadSession, WriteSession
from service.html.csrf import check_csrf
from service.identity.callers import CurrentActor
from service.identity.cookies import clear_cookie, read_cookie
from service.identity.declarations import PUBLIC
from service.identity.operators import end_operator_session
from service.identity.permissions import Permission
from service.operators import (
    account_routes,
    overview,
    staff_routes,
    subscriber_routes,
    system_routes,
    webhook_routes,
)
from service.operators.next_page import SIGN_IN, checked_next
from service.operators.pages import PageRoute, page
from service.operators.sign_in_answers import SigningIn, TheirBrowser, after_code, after_password
from service.operators.stylesheet import STYLESHEET
from service.operators.visits import Visit, csrf_key, page_requires
from service.problems import Problem
from service.reports import figures, queries
from service.reports.schemas import AnySubscribers
from service.settings import AppSettings

router = APIRouter(prefix="/admin", route_class=PageRoute, include_in_schema=False)
SEE_OTHER = 303

SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]


@router.get("/static/admin.css", dependencies=[PUBLIC])
async def read_stylesheet(request: Request) -> Response:
    """The stylesheet of these pages. Public."""
    return STYLESHEET.answer(request)


@router.get("/sign-in", dependencies=[PUBLIC])
async def show_sign_in(request: Request, actor: CurrentActor, next: str = "") -> Response:  # noqa: A002 the field's name in the address
    """The form; who is signed in already goes on at once."""
    if actor is not None and actor.kind == "operator":
        return RedirectResponse(checked_next(next), SEE_OTHER)
    return page(request, "sign_in.html", next_page=checked_next(next), email="", refusal=None)


@router.post("/sign-in", dependencies=[PUBLIC])
async def send_sign_in(
    request: Request,
    signing_in: SigningIn,
    browser: TheirBrowser,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 the field's name in the form
) -> Response:
    """Open a session, ask for the second factor, or show the form again with one sentence."""
    outcome = await signing_in.by_password(email=email, password=password, browser=browser)
    return after_password(request, outcome, next_page=checked_next(next), email=email)


@router.post("/sign-in/code", dependencies=[PUBLIC])
async def send_code(
    request: Request,
    signing_in: SigningIn,
    browser: TheirBrowser,
    password_proof: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    recovery_code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002 the field's name in the form
) -> Response:
    """The second step: open a session, or show its form again."""
    outcome = await signing_in.by_code(
        proof=password_proof, code=recovery_code or code, browser=browser
    )
    return after_code(request, outcome, next_page=checked_next(next), password_proof=password_proof)


@router.post("/sign-out", dependencies=[PUBLIC])
async def send_sign_out(
    request: Request,
    session: WriteSession,
    settings: AppSettings,
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """End the session here and in the browser; without one there is nothing to end."""
    secret = read_cookie(request, "operator", settings)
    response = RedirectResponse(SIGN_IN, SEE_OTHER)
    if secret:
        check_csrf(csrf, secret, csrf_key(settings))
        await end_operator_session(session, secret)
        clear_cookie(response, "operator", settings)
    return response


@router.get("")
async def show_overview(
    request: Request, visit: SeesFigures, asked: AnySubscribers, session: ReadSession
) -> Response:
    """The figures of this moment, and the subscribers for those who may see readers."""
    return page(
        request,
        "overview.html",
        figures=overview.figures(await figures.summary(session)),
        subscribers=await overview.subscribers(session, asked, visit),
        plans=await queries.plans(session),
        asked=asked,
    )


router.include_router(subscriber_routes.router)
router.include_router(account_routes.router)
router.include_router(staff_routes.router)
router.include_router(webhook_routes.router)
router.include_router(system_routes.router)


@router.get("/{unknown:path}")
async def show_nothing(_: SeesFigures) -> Response:
    """Any other address: told only to those who are signed in."""
    raise Problem("not-found", "There is no such page. Start from the overview.")
