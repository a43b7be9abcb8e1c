"""Offers over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession
from service.identity.audit import change_by
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.offers.catalogue import OfferChange, change_offer, make_offer, offer_etag
from service.offers.on_sale import AppOnSale
from service.offers.pricing import InvalidPrice, checked_price
from service.offers.store import find_offer
from service.operators.offers.schemas import OfferChangeIn, OfferId, OfferIn
from service.problems import Problem, invalid_field
from service.reports import offer_list
from service.reports.offer_schemas import (
    AdminOffer,
    AnyOffers,
    AnyPeriod,
    CouponItem,
    CouponList,
    OfferFiguresList,
    OfferWithFigures,
)
from service.settings import AppSettings

router = APIRouter(tags=["operators"])

ReadsOffers = Annotated[Actor, Depends(requires(Permission.OFFERS_READ))]
ChangesOffers = Annotated[Actor, Depends(requires(Permission.OFFERS_WRITE))]
IfMatch = Annotated[str | None, Header(description='The ETag last seen, such as `"v3"`, or `*`.')]


@router.get("/offers", summary="List offers with what they sold")
async def read_offers(
    _: ReadsOffers,
    asked: AnyOffers,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> OfferFiguresList:
    """What is and was sold, in the order in which readers see it. Needs the permission offers:read."""
    page = await offer_list.list_offers(
        session, asked.asked(settings, clocks.business()), asked.state,
        cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return OfferFiguresList.of(page.map(OfferWithFigures.of_figures))


@router.post("/offers", status_code=201, summary="Make an offer")
async def send_offer(
    body: OfferIn, response: Response, actor: ChangesOffers, context: AppContext, on_sale: AppOnSale
) -> AdminOffer:
    """Sell something new. Its price is made at Stripe when somebody first buys it.

    Needs the permission offers:write.
    """
    fields = body.model_dump(exclude={"name", "plan", "sold_to"})
    try:
        async with change_by(context, actor.label) as change:
            price = checked_price(**fields)
            offer = await make_offer(
                change, name=body.name, plan=body.plan, price=price, sold_to=body.sold_to
            )
    except InvalidPrice as error:
        raise invalid_field(f"body.{error.field}", f"The offer wasn't created. {error}.") from error
    on_sale.forget()
    response.headers["ETag"] = offer_etag(offer)
    return AdminOffer.of_offer(offer)


@router.get("/offers/{offer_id}", summary="Read an offer")
async def read_offer(
    offer_id: OfferId, response: Response, _: ReadsOffers, session: ReportSession
) -> AdminOffer:
    """One offer, sold or not. The ETag goes into `If-Match`. Needs the permission offers:read."""
    offer = await find_offer(session, offer_id)
    if offer is None:
        raise Problem("offer-not-found")
    response.headers["ETag"] = offer_etag(offer)
    return AdminOffer.of_offer(offer)


@router.patch("/offers/{offer_id}", summary="Change an offer")
async def send_offer_change(
    offer_id: OfferId,
    body: OfferChangeIn,
    response: Response,
    actor: ChangesOffers,
    context: AppContext,
    on_sale: AppOnSale,
    if_match: IfMatch = None,
) -> AdminOffer:
    """Rename it, move it, end it or sell it again; who has it keeps it. 409 `experiment-relies-on-them` to end, or sell
    again, what a running experiment shows.

    Needs the permission offers:write.
    """
    wanted = OfferChange(body.name, body.shown, body.position)
    async with change_by(context, actor.label) as change:
        offer = await change_offer(change, offer_id, wanted, if_match=if_match)
    on_sale.forget()
    response.headers["ETag"] = offer_etag(offer)
    return AdminOffer.of_offer(offer)


@router.get("/coupons", summary="List coupons in use")
async def read_coupons(
    _: ReadsOffers,
    asked: AnyPeriod,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> CouponList:
    """The coupons behind promotion codes: who has them now, and who began with them in the period.

    Needs the permission offers:read.
    """
    found = await offer_list.list_coupons(session, asked.asked(settings, clocks.business()))
    return CouponList(items=[CouponItem.of(each) for each in found])
