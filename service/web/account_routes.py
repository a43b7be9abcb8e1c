"""The reader's own pages: the account, the portal, and signing devices out."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from service.access.views import Views
from service.account import sign_out as ending
from service.account.take_over import take_over
from service.checkout.limits import LimitedGateway
from service.checkout.portal import open_portal
from service.checkout.schemas import Short
from service.db.context import AppContext
from service.db.session import WriteSession
from service.grants.places import InstitutionNetworks
from service.html.redirect import see_other
from service.identity.callers import CurrentReader, IsPrefetch, RecentReader, SignedInReader
from service.identity.cookies import read_cookie
from service.identity.devices import pseudonym
from service.identity.sessions import clear_session_cookie, sign_out_here
from service.rules.in_force import RuleBook
from service.running import running_of
from service.web.account import account_view
from service.web.from_portal import MARKER, RETURN_TO, bring_up_to_date
from service.web.offers_shown import offers_shown
from service.web.pages import GET, PageRoute, currencies_wanted, page
from service.web.sign_in import HOME

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)


@router.api_route("", methods=GET)
async def show_account(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    prefetch: IsPrefetch,
    came_from: Annotated[str, Query(alias="from")] = "",
) -> Response:
    """What the reader has; for those who aren't signed in, how access works and what it costs.

    Who comes back from the portal is led on to the plain address, so that a reload asks nobody.
    """
    is_visit = request.method == "GET" and not prefetch
    if came_from == MARKER and is_visit and caller.reader_id is not None:
        await bring_up_to_date(request, context, caller, caller.reader_id)
        return see_other(HOME)
    async with context.database.reading() as session:
        account = await account_view(session, context, caller)
    has_ended = not account.is_signed_in and bool(read_cookie(request, "session", context.settings))
    offers = offers_shown(
        account.offers, currencies_wanted(request), context.settings, context.clocks.business()
    )
    device = pseudonym(caller.device_id) if caller.device_id is not None else None
    view = Views(context, running_of(request).get(RuleBook)).of(caller, device)
    response = page(
        request, "account.html",
        account=account, offers=offers, has_ended=has_ended,
        limits=view.settings, limits_of_their_own=bool(view.rules.meters.own),
        joins_institutions=bool(running_of(request).get(InstitutionNetworks)),
    )  # fmt: skip
    if has_ended:
        clear_session_cookie(response, context.settings)  # what is left of a session that has ended
    return response


@router.post("/portal")
async def go_to_portal(
    caller: RecentReader, context: AppContext, gateway: LimitedGateway
) -> Response:
    """To Stripe's customer portal, which leads back here."""
    address = await open_portal(context, gateway, reader_id=caller.reader_id, return_to=RETURN_TO)
    return see_other(address)


@router.post("/take-over")
async def take_purchase_over(
    caller: SignedInReader, context: AppContext, purchase: Annotated[Short, Form()]
) -> Response:
    """Let a purchase that somebody made with the reader's address be the reader's."""
    await take_over(context, caller, purchase)
    return see_other(HOME)


@router.post("/sign-out")
async def sign_out(
    caller: CurrentReader,
    session: WriteSession,
    context: AppContext,
    device: Annotated[Short | None, Form()] = None,
) -> Response:
    """End the session here and in the browser, or the reader's own one named by `device`.

    Where there is none any more, nothing is left to end.
    """
    response = see_other(HOME)
    if device is None or device == caller.session_id:
        if caller.reader_id is not None and caller.session_id is not None:
            await ending.sign_out(session, context, caller.reader_id, caller.session_id)
        sign_out_here(response, context.settings)
        return response
    if caller.reader_id is not None:
        await ending.sign_out(session, context, caller.reader_id, device)
    return response


@router.post("/sign-out/everywhere")
async def sign_out_everywhere(
    caller: CurrentReader, session: WriteSession, context: AppContext
) -> Response:
    """End every session of the reader, this one included."""
    if caller.reader_id is not None:
        await ending.sign_out_everywhere(session, context, caller.reader_id)
    response = see_other(HOME)
    sign_out_here(response, context.settings)
    return response
