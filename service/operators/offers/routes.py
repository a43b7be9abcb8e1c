"""The pages of what is sold: the catalogue with what it brings, a new offer, and one offer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.html.redirect import see_other
from service.identity.audit import change_by
from service.identity.permissions import Permission
from service.offers.catalogue import (
    LAST_PLACE,
    OfferChange,
    change_offer,
    facts_of,
    make_offer,
)
from service.offers.on_sale import AppOnSale
from service.offers.pricing import (
    InvalidPrice,
    Price,
    checked_price,
    minor_units,
    price_text,
)
from service.offers.store import find_offer, price_of
from service.operators.frame.field_words import words_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.periods import asked_or_usual, days_of, refused_list, status_of
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.operators.offers.schemas import NewOffer
from service.problems import Problem
from service.reports import offer_list, subscriber_list
from service.reports.offer_schemas import AnyOffers, PeriodQuery
from service.reports.schemas import Storable

router = APIRouter(prefix="/offers", route_class=PageRoute, include_in_schema=False)
OFFERS = "/admin/offers"
DONE = {
    "made": "Offer created. Readers can buy it now.",
    "won": "Offer created. Add it to a prompt to show it to readers.",
    "change": "Saved. Readers see the change within two seconds.",
    "end": "Ended. Nobody can buy it any more. Existing subscribers keep it.",
    "show": "The offer is on sale again.",
}

SeesOffers = Annotated[Visit, Depends(page_requires(Permission.OFFERS_READ))]
ChangesOffers = Annotated[Visit, Depends(form_requires(Permission.OFFERS_WRITE))]
OfferId = Annotated[str, Path(max_length=100), Storable]
Name = Annotated[str, Form(max_length=200), Storable]


@router.get("")
async def show_offers(
    request: Request, _: SeesOffers, asked: AnyOffers, session: ReportSession, context: AppContext
) -> Response:
    """What is and was sold, with what it brings, and the coupons in use."""
    try:
        period = asked.asked(context.settings, context.clocks.business())
    except Problem as problem:
        return refused_list(request, "offers.html", problem, {"asked": asked})
    found = await offer_list.list_offers(
        session, period, asked.state, cursor=asked.cursor, limit=asked.limit
    )
    coupons = await offer_list.list_coupons(session, period)
    return page(
        request, "offers.html", found=found, asked=asked, period=period.period, coupons=coupons,
        typed=days_of(period.period), refusal="",
    )  # fmt: skip


@router.get("/new")
async def show_form(request: Request, _: SeesOffers, session: ReportSession) -> Response:
    """The form for a new offer."""
    return await _form(request, session, NewOffer())


@router.post("/new")
async def send_offer(
    request: Request,
    visit: ChangesOffers,
    context: AppContext,
    on_sale: AppOnSale,
    typed: Annotated[NewOffer, Form()],
) -> Response:
    """Show what readers would see of it; once that is confirmed, sell it."""
    try:
        price = _price(typed)
        if not typed.sure:
            async with context.database.slow_reading("reports") as session:
                return await _form(request, session, typed, confirm=price_text(price))
        async with change_by(context, visit.operator.label) as change:
            plan = "" if typed.kind == "article" else typed.plan.strip()
            made = await make_offer(
                change, name=typed.name, plan=plan, price=price, sold_to=typed.sold_to
            )
    except InvalidPrice as error:
        async with context.database.slow_reading("reports") as session:
            return await _form(
                request, session, typed, refusal=f"The offer wasn’t created. {_said(error)}."
            )
    on_sale.forget()
    return see_other(f"{OFFERS}/{made.id}?done={'made' if typed.sold_to == 'everybody' else 'won'}")


def _said(error: InvalidPrice) -> str:
    return f"{words_of(OFFERS, error.field)}: {error.reason}"


def _price(typed: NewOffer) -> Price:
    """InvalidPrice names the field that can't be."""
    amounts = {}
    for field in ("amount", "intro_amount"):
        text = getattr(typed, field).strip()
        try:
            amounts[field] = minor_units(text, typed.currency.strip().upper()) if text else None
        except ValueError as error:
            raise InvalidPrice(field, str(error)) from error
    if amounts["amount"] is None:
        raise InvalidPrice("amount", "enter a price, such as 9.00")
    intro = amounts["intro_amount"]
    return checked_price(
        amount=amounts["amount"], currency=typed.currency.strip(), interval=typed.interval,
        interval_count=_number("interval_count", typed.interval_count, 1),
        trial_days=_number("trial_days", typed.trial_days, 0),
        kind="pass" if typed.kind == "article" else typed.kind,
        covers="article" if typed.kind == "article" else "plan",
        intro_amount=intro,
        intro_periods=_number("intro_periods", typed.intro_periods, 0 if intro is None else 1),
        most_seats=_number("most_seats", typed.most_seats, 0),
    )  # fmt: skip


def _number(field: str, typed: str, empty: int) -> int:
    text = typed.strip()
    if not text:
        return empty
    if not (text.isascii() and text.isdigit()):
        raise InvalidPrice(field, "enter a whole number")
    return int(text)


async def _form(
    request: Request,
    session: AsyncSession,
    typed: NewOffer,
    *,
    confirm: str = "",
    refusal: str | None = None,
) -> Response:
    return page(
        request, "offer_new.html", status_code=422 if refusal else 200, typed=typed,
        confirm=confirm, refusal=refusal, plans=[each for each in await subscriber_list.plans(session) if each],
    )  # fmt: skip


class OfferQuery(PeriodQuery):
    """The period, and what was done."""

    done: Annotated[str, Field(max_length=20)] = ""


@router.get("/{offer_id}")
async def show_offer(
    request: Request,
    _: SeesOffers,
    offer_id: OfferId,
    asked: Annotated[OfferQuery, Query()],
    session: ReportSession,
    context: AppContext,
) -> Response:
    """One offer: what readers see of it, what it brings, and what can be changed."""
    return await _page(request, offer_id, asked, session, context)


@router.post("/{offer_id}")
async def send_change(
    request: Request,
    visit: ChangesOffers,
    offer_id: OfferId,
    context: AppContext,
    on_sale: AppOnSale,
    change: Annotated[Literal["change", "end", "show"], Form()],
    seen: Seen,
    name: Name = "",
    position: Annotated[int, Form(ge=0, le=LAST_PLACE)] = 0,
    sure: Annotated[str, Form()] = "",
) -> Response:
    """Rename or move the offer, end it or sell it again; or show the page again with why not."""
    wanted = None
    try:
        wanted = _wanted(change, name, position, sure)
        async with change_by(context, visit.operator.label) as changing:
            await change_offer(changing, offer_id, wanted, seen=seen)
    except Problem as problem:
        if problem.slug not in {
            "invalid-request", "changed-meanwhile", "experiment-relies-on-them"
        }:  # fmt: skip
            raise
        async with context.database.slow_reading("reports") as session:
            return await _page(
                request, offer_id, OfferQuery(), session, context,
                refusal=problem, typed=wanted,
            )  # fmt: skip
    on_sale.forget()
    return see_other(f"{OFFERS}/{offer_id}?done={change}")


def _wanted(change: str, name: str, position: int, sure: str) -> OfferChange:
    if change == "change":
        return OfferChange(name=name, position=position)
    if change == "end" and not sure:
        raise Problem("invalid-request", "Nothing was ended: select “I am sure” first.")
    return OfferChange(shown=change == "show")


async def _page(
    request: Request,
    offer_id: str,
    asked: OfferQuery,
    session: AsyncSession,
    context: Context,
    *,
    refusal: Problem | None = None,
    typed: OfferChange | None = None,
) -> Response:
    offer = await find_offer(session, offer_id)
    if offer is None:
        raise Problem("offer-not-found", "Offer not found. Check the list.")
    period, days, wrong = asked_or_usual(asked, context)
    (found,) = await offer_list.figures_of_offers(session, [offer], period)
    return page(
        request, "offer.html", status_code=status_of(refusal, wrong), offer=offer, days=days, wrong=wrong,
        typed=typed or OfferChange(), seen=facts_of(offer), found=found, asked=asked,
        period=period.period, offered=price_of(offer), refusal=refusal,
        notice=DONE.get(asked.done),
    )  # fmt: skip
