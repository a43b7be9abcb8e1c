"""A price that was made at Stripe becomes an offer, so that what it is paid for gives a plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from service.billing.follow_ups import ask_sync
from service.db.context import Context
from service.db.tables import Offer, Subscription
from service.identity.audit import Change
from service.offers.pricing import InvalidPrice, Price, checked_price, price_text
from service.offers.store import create_offer, find_offer, offer_by_price, plan_of_product, price_of
from service.payments.gateway import Gateway
from service.payments.set_up import StripePrice


async def adoptable_price(gateway: Gateway, price_id: str) -> StripePrice:
    """The price at Stripe. InvalidPrice: there is none, or no offer can have it."""
    price = await gateway.retrieve_price(price_id)
    if price is None:
        raise InvalidPrice("price", f"there is no {price_id!r} on this account")
    terms_of_price(price)
    return price


def terms_of_price(price: StripePrice) -> Price:
    """What an offer with this price asks for. InvalidPrice: no offer can have it."""
    if price.interval is None or not price.has_amount:
        raise InvalidPrice("price", f"{price.id} isn't a recurring price with a fixed amount")
    try:
        return checked_price(
            amount=price.amount, currency=price.currency, interval=price.interval,
            interval_count=price.interval_count,
        )  # fmt: skip
    except InvalidPrice as error:
        raise InvalidPrice("price", f"{price.id} can't be that of an offer: {error}") from error


async def adopt_price(change: Change, price: StripePrice, *, name: str, plan: str) -> Offer:
    """Take the price into the catalogue, off the wall: it was agreed with single readers.

    Without `plan` it gives the one that its product is of. Subscriptions of no offer are compared with
    Stripe once more. InvalidPrice says what can't be.
    """
    session, now = change.session, change.clocks.business()
    known = await offer_by_price(session, price.id)
    if known is not None:
        raise InvalidPrice("price", f"it is that of {known.id}, {known.name}, already")
    plan = plan or plan_of_product(price.product_id)
    if not plan:
        raise InvalidPrice("plan", "the price's product is none of ours: name the plan it gives")
    terms = terms_of_price(price)
    offer = await create_offer(session, name=name, plan=plan, price=terms, now=now)
    offer.stripe_price_id, offer.archived_at = price.id, now
    adopted = {
        "name": name,
        "plan": plan,
        "price": price_text(price_of(offer)),
        "at_stripe": price.id,
    }
    await change.record("offer.adopt", offer.id, after=adopted)
    for subscription_id in await session.scalars(
        select(Subscription.id).where(Subscription.outside == "price")
    ):
        await ask_sync(session, subscription_id, change.clocks)
    return offer


@dataclass(frozen=True)
class Adoption:
    """A price at Stripe that is to give what the offer gives."""

    price: StripePrice
    offer: Offer


async def adoptions_of(
    context: Context, gateway: Gateway, mapping: Mapping[str, str]
) -> dict[str, Adoption]:
    """The prices at Stripe that are to be adopted, by the id of the offer that each is to be like.

    Raises InvalidPrice where there is no such price or offer, no offer can have the price, or another has it.
    """
    found = {}
    for price_id, offer_id in mapping.items():
        price = await adoptable_price(gateway, price_id)
        async with context.database.reading() as session:
            offer = await find_offer(session, offer_id)
            known = await offer_by_price(session, price_id)
        if offer is None or not offer.plan or offer.kind != "subscription":
            raise InvalidPrice("offer", f"there is no subscription offer {offer_id!r}")
        if known is not None and known.plan != offer.plan:
            raise InvalidPrice("price", f"{price_id} is that of {known.id}, {known.name}, already")
        found[price_id] = Adoption(price, offer)
    return found


async def adopt_all(change: Change, adoptions: Mapping[str, Adoption]) -> None:
    for each in adoptions.values():
        if await offer_by_price(change.session, each.price.id) is None:
            await adopt_price(change, each.price, name=each.offer.name, plan=each.offer.plan)


def why_not_adoptable(price: StripePrice) -> str:
    """Why no offer can have the price; empty: one can."""
    try:
        terms_of_price(price)
    except InvalidPrice as error:
        return str(error)
    return ""
