"""The reader's pages for gift subscriptions: bought, shown to the buyer, and redeemed."""

from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from service.billing.gift_subscriptions import GiftWanted, redeem
from service.checkout.gift_schemas import BoughtGiftOut, GiftOut
from service.checkout.gifts import gift_id_of, gift_of_link, gifts_of_buyer
from service.checkout.limits import LimitedGateway
from service.checkout.returned import remember_claim
from service.checkout.schemas import Short
from service.checkout.start import Order, start_checkout
from service.clock import in_utc
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.grants.link_tokens import LONGEST
from service.html.list_query import ListQuery
from service.html.redirect import see_other
from service.identity.callers import ConfirmedReader, CurrentReader, SignedInReader
from service.identity.cookies import read_cookie
from service.identity.declarations import PUBLIC
from service.identity.email import checked_address
from service.offers.choice import in_currency
from service.offers.on_sale import AppOnSale
from service.problems import Problem
from service.web.pages import GET, PageRoute, currencies_wanted, page, problem_page
from service.web.sign_in import visitor_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
BOUGHT = "/account/gift-subscriptions"
Token = Annotated[str, Path(max_length=LONGEST)]


@router.api_route("/gift", methods=GET, dependencies=[PUBLIC])
async def show_gifts_on_sale(request: Request, context: AppContext, on_sale: AppOnSale) -> Response:
    """What can be given, and the form that leads to Stripe's page."""
    sold = [each for each in (await on_sale.assortment()).items if each.kind == "gift"]
    offers = in_currency(sold, *currencies_wanted(request), context.settings.currency)
    return page(request, "gift_buy.html", offers=offers)


@router.post("/gift")
async def buy_gift(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    gateway: LimitedGateway,
    offer: Annotated[Short, Form()],
    email: Annotated[str, Form(max_length=254)] = "",
    day: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """To Stripe's page for the gift. Without an address the buyer hands the link over."""
    claim = read_cookie(request, "checkout", context.settings)
    try:
        address = checked_address(email.strip()).text if email.strip() else None
        wanted = GiftWanted(address, _day(day, context.settings.zone))
        order = Order(offer, BOUGHT, caller, claim, gift=wanted)
        started = await start_checkout(context, gateway, order)
    except Problem as problem:
        return problem_page(request, problem, link="/gift")
    response = see_other(started.url)
    remember_claim(response, started.claim, context.settings)
    return response


def _day(typed: str, zone: ZoneInfo) -> datetime | None:
    """Eight in the morning of that day; Problem `invalid-request`."""
    if not typed:
        return None
    try:
        return in_utc(datetime.combine(date.fromisoformat(typed), time(8), zone))
    except ValueError:
        raise Problem("invalid-request", f"{typed} isn’t a date. Enter it as 2026-12-24.") from None


@router.api_route(BOUGHT, methods=GET)
async def show_bought(
    request: Request,
    caller: SignedInReader,
    asked: Annotated[ListQuery, Query()],
    session: ReadSession,
    context: AppContext,
) -> Response:
    """The gifts that the reader has bought, each with the link to hand over or print."""
    found = await gifts_of_buyer(session, caller.reader_id, asked)
    now, settings = context.clocks.business(), context.settings
    bought = found.map(lambda each: BoughtGiftOut.of_buyer(each, now, settings))
    return page(request, "gifts_bought.html", bought=bought, asked=asked, path=BOUGHT)


@router.api_route("/gift/{token}", methods=GET)
async def show_gift(
    request: Request,
    token: Token,
    caller: CurrentReader,
    session: ReadSession,
    context: AppContext,
) -> Response:
    """What the link gives; looking at it redeems nothing."""
    bought = await gift_of_link(session, token, context.settings)
    visitor = await visitor_of(session, caller, context.settings)
    return page(
        request, "gift_redeem.html", gift=GiftOut.of(bought, context.clocks.business()),
        token=token, visitor=visitor, is_theirs=bought.gift.redeemed_by == caller.reader_id,
        may_redeem=caller.verified and caller.reader_id is not None,
    )  # fmt: skip


@router.post("/gift/{token}")
async def send_redeem(
    token: Token, caller: ConfirmedReader, session: WriteSession, context: AppContext
) -> Response:
    """Redeem it for the reader who is signed in."""
    gift_id = gift_id_of(token, context.settings)
    await redeem(session, context, gift_id, reader_id=caller.reader_id)
    return see_other(f"/gift/{token}")
