"""Signing in through the newspaper's pages: ask for a mail, type its code, or use its link.

The pages are the same whether or not an address has an account.
"""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.confirm import Client, Confirmed, confirm_code, confirm_link
from service.account.sign_in import request_sign_in
from service.checkout.schemas import Short
from service.clock import AppClocks, Clocks
from service.db.context import AppContext
from service.db.session import ReadSession
from service.db.tables import SignInRequest
from service.html.redirect import see_other
from service.identity import sign_in_requests
from service.identity.callers import Caller, CurrentReader
from service.identity.cookies import read_cookie
from service.identity.devices import pseudonym
from service.identity.handover import remember_device
from service.identity.sessions import set_session_cookie
from service.jobs.runner import AppWakes
from service.limits.addresses import client_network
from service.outbox.queue import MAIL_TASK
from service.problems import Problem
from service.settings import AppSettings, Settings
from service.texts import storable
from service.web import sign_in
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import HOME, form_error, kept_return_to

router = APIRouter(prefix="/account/sign-in", route_class=PageRoute, include_in_schema=False)
GONE = 410
# Never the address with its secret, but the origin, which the origin check asks for: under
# no-referrer browsers send `Origin: null` with a form (Fetch, "append a request Origin header").
LINK_PAGE = {"Referrer-Policy": "strict-origin"}
Ticked = Annotated[bool | None, Form()]
"""A box that isn't ticked sends nothing: then nobody has answered."""
Typed = Annotated[str, AfterValidator(storable), Form(max_length=2000)]


@router.api_route("", methods=GET)
async def show_sign_in(
    request: Request,
    settings: AppSettings,
    caller: CurrentReader,
    session: ReadSession,
    clocks: AppClocks,
    token: str | None = None,
    return_to: Annotated[str, Query(max_length=2000)] = HOME,
) -> Response:
    """The form for an address; with a link's `token` its button.

    Opening the link uses nothing up: mail scanners open links too. The page says whose account it
    opens, and whether another browser asked for it.
    """
    if token or not settings.readers_can_sign_in:
        asked = await sign_in_requests.by_link(session, token, clocks.wall()) if token else None
        opens = sign_in.link_shown(asked, caller) if asked is not None else None
        return _page(request, "sign_in_link.html", token=token, opens=opens)
    form = sign_in.Form(kept_return_to(return_to, settings))
    return _page(request, "sign_in.html", form=form, is_cut_off=token is not None)


@router.post("")
async def use_link(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    token: Annotated[Short, Form()],
) -> Response:
    """Use the link, once, and sign this browser in; a former session of it ends."""
    client = _client(request, caller, context.settings)
    try:
        confirmed = await confirm_link(context, token=token, client=client)
    except Problem as problem:
        if problem.slug != "sign-in-refused":
            raise
        if caller.session_id is not None:
            # The button was pressed twice: the first time it has signed this browser in.
            return _lead(HOME)
        return _page(request, "sign_in_refused.html", status_code=GONE, form=sign_in.Form())
    return _signed_in(confirmed, context.settings)


@router.post("/request")
async def request_mail(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    wakes: AppWakes,
    email: Typed = "",
    return_to: Typed = HOME,
    newsletter: Ticked = None,
) -> Response:
    """Mail a link and a code, and lead on to the page that takes the code."""
    try:
        asked = await request_sign_in(
            context, email=email, return_to=return_to, caller=caller,
            network=client_network(request, context.settings, context.clocks),
            newsletter=newsletter, with_link=True,
        )  # fmt: skip
    except Problem as problem:
        error = form_error(problem)
        if error is None:
            raise
        form = sign_in.Form(kept_return_to(return_to, context.settings), email, error)
        return _refusal(request, problem, "sign_in.html", form=form, is_cut_off=False)
    wakes.wake(MAIL_TASK)
    response = _lead(f"{HOME}/sign-in/code?{urlencode({'request': asked.request_id})}")
    remember_device(request, response, caller, asked.device_id)
    return response


@router.api_route("/code", methods=GET)
async def show_code(
    request: Request,
    caller: CurrentReader,
    session: ReadSession,
    clocks: AppClocks,
    request_id: Annotated[
        str, AfterValidator(storable), Query(alias="request", max_length=100)
    ] = "",
) -> Response:
    """Check your e-mail. The address is named in the browser alone in which it was typed."""
    asked = await _asked(session, caller, request_id, clocks)
    return _page(request, "sign_in_code.html", request_id=request_id, form=_code_form(asked))


@router.post("/code")
async def use_code(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    request_id: Typed = "",
    code: Typed = "",
) -> Response:
    """Use the code, in the browser that asked for it, and sign it in."""
    client = _client(request, caller, context.settings)
    async with context.database.reading() as session:
        asked = await _asked(session, caller, request_id, context.clocks)
    try:
        confirmed = await confirm_code(context, request_id=request_id, code=code, client=client)
    except Problem as problem:
        if problem.slug == "sign-in-refused" and caller.verified:
            return _lead(HOME)  # sent twice: the first time it has signed this browser in
        error = form_error(problem)
        if error is None:
            raise
        async with context.database.reading() as session:
            works = await _asked(session, caller, request_id, context.clocks) is not None
        if problem.slug == "sign-in-refused" and not works:
            error = sign_in.SPENT_CODE  # tried five times, used or too old
        form = _code_form(asked, typed=code, error=error)
        return _refusal(request, problem, "sign_in_code.html", request_id=request_id, form=form)
    return _signed_in(confirmed, context.settings)


def _client(request: Request, caller: Caller, settings: Settings) -> Client:
    claim = read_cookie(request, "checkout", settings)
    return Client(caller, "browser", request.headers.get("User-Agent", ""), claim=claim)


async def _asked(
    session: AsyncSession, caller: Caller, request_id: str, clocks: Clocks
) -> SignInRequest | None:
    """The request, while its code works, in the browser alone that asked."""
    if caller.device_id is None:
        return None
    device = pseudonym(caller.device_id)
    return await sign_in_requests.by_id(session, request_id, device, clocks.wall())


def _code_form(asked: SignInRequest | None, *, typed: str = "", error: str = "") -> sign_in.Form:
    if asked is None:
        return sign_in.Form(typed=typed, error=error)
    return sign_in.Form(asked.return_to, typed, error, mailed_to=asked.email or "")


def _signed_in(confirmed: Confirmed, settings: Settings) -> Response:
    response = _lead(confirmed.return_to)
    set_session_cookie(response, confirmed.opened.token, settings)
    return response


def _lead(address: str) -> Response:
    return see_other(address, LINK_PAGE)


def _page(
    request: Request, template: str, *, status_code: int = 200, **context: object
) -> Response:
    response = page(request, template, status_code=status_code, **context)
    response.headers.update(LINK_PAGE)
    return response


def _refusal(request: Request, problem: Problem, template: str, **context: object) -> Response:
    """The page again, with the problem's status, what was typed, and what is wrong with it."""
    response = _page(request, template, status_code=problem.type.status, **context)
    response.headers.update(problem.headers)
    return response
