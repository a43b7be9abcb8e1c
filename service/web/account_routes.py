"""The reader's own pages: the account, the portal, and signing in by a link of the newsroom's."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from service.checkout.portal import open_portal
from service.checkout.schemas import Short
from service.clock import AppClocks, Clocks
from service.db.session import AppDatabase, Database, WriteSession
from service.identity.callers import Caller, CurrentReader, IsPrefetch, SignedInReader
from service.identity.cookies import read_cookie
from service.identity.devices import pseudonym
from service.identity.readers import link_device
from service.identity.sessions import (
    clear_session_cookie,
    end_session,
    open_session,
    set_session_cookie,
    use_sign_in_link,
)
from service.payments.asking import AppGateway
from service.settings import AppSettings, Settings
from service.web.account import account_view
from service.web.from_portal import MARKER, RETURN_TO, bring_up_to_date
from service.web.pages import GET, PageRoute, page

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)
SEE_OTHER = 303
HOME = "/account"
# Never the address with its secret, but the origin, which the origin check asks for: under
# no-referrer browsers send `Origin: null` with a form (Fetch, "append a request Origin header").
LINK_PAGE = {"Referrer-Policy": "strict-origin"}


@router.api_route("", methods=GET)
async def show_account(
    request: Request,
    caller: CurrentReader,
    database: AppDatabase,
    settings: AppSettings,
    clocks: AppClocks,
    prefetch: IsPrefetch,
    came_from: Annotated[str, Query(alias="from")] = "",
) -> Response:
    """What the reader has; for those who aren't signed in, how access works and what it costs.

    Who comes back from the portal is led on to the plain address, so that a reload asks nobody.
    """
    is_visit = request.method == "GET" and not prefetch
    if came_from == MARKER and is_visit and caller.reader_id is not None:
        await bring_up_to_date(request, database, settings, clocks, reader_id=caller.reader_id)
        return RedirectResponse(HOME, SEE_OTHER)
    async with database.reading() as session:
        account = await account_view(session, caller, settings, clocks.business())
    response = page(request, "account.html", account=account)
    if not account.is_signed_in and read_cookie(request, "session", settings) is not None:
        clear_session_cookie(response, settings)  # what is left of a session that has ended
    return response


@router.post("/portal")
async def go_to_portal(
    caller: SignedInReader, database: AppDatabase, gateway: AppGateway, settings: AppSettings
) -> Response:
    """To Stripe's customer portal, which leads back here."""
    address = await open_portal(
        database, gateway, settings, reader_id=caller.reader_id, return_to=RETURN_TO
    )
    return RedirectResponse(address, SEE_OTHER)


@router.post("/sign-out")
async def sign_out(
    caller: CurrentReader, session: WriteSession, settings: AppSettings, clocks: AppClocks
) -> Response:
    """End the session here and in the browser; without one there is nothing to end."""
    if caller.session_id is not None:
        await end_session(session, caller.session_id, clocks.wall())
    response = RedirectResponse(HOME, SEE_OTHER)
    clear_session_cookie(response, settings)
    return response


@router.api_route("/sign-in", methods=GET)
async def show_sign_in(request: Request, token: str = "") -> Response:
    """A button. Opening the link uses nothing up: mail scanners open links too."""
    response = page(request, "sign_in.html", token=token)
    response.headers.update(LINK_PAGE)
    return response


@router.post("/sign-in")
async def sign_in(
    request: Request,
    caller: CurrentReader,
    database: AppDatabase,
    settings: AppSettings,
    clocks: AppClocks,
    token: Annotated[Short, Form()],
) -> Response:
    """Use the link, once, and sign this browser in; a former session of it ends."""
    secret = await _signed_in(database, token, caller, settings, clocks)
    if secret is None:
        response: Response = page(request, "sign_in_refused.html", status_code=410)
    else:
        response = RedirectResponse(HOME, SEE_OTHER)
        set_session_cookie(response, secret, settings)
    response.headers.update(LINK_PAGE)
    return response


async def _signed_in(
    database: Database, token: str, caller: Caller, settings: Settings, clocks: Clocks
) -> str | None:
    """The secret of a new session; None where the link is used, expired or unknown."""
    now = clocks.wall()
    async with database.transaction() as session:
        reader_id = await use_sign_in_link(session, token, now)
        if reader_id is None:
            return None
        if caller.session_id is not None:
            await end_session(session, caller.session_id, now)
        if caller.device_id is not None:
            await link_device(
                session,
                reader_id=reader_id,
                device=pseudonym(caller.device_id),
                now=clocks.business(),
            )
        return await open_session(session, reader_id=reader_id, now=now, settings=settings)
