"""Which of a subscription's items we sell: one of our prices, or another price of a product of ours."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Checkout, Offer
from service.offers.store import offer_by_price, offers_of_product
from service.payments.gateway import StripeSubscription, StripeSubscriptionItem


@dataclass(frozen=True)
class Sold:
    """The item that counts, and the offer whose plan it gives; its price may be a special one."""

    item: StripeSubscriptionItem
    offer: Offer


async def sold_item(
    session: AsyncSession,
    items: Sequence[StripeSubscriptionItem],
    *,
    before: str | None = None,
) -> Sold | None:
    """The item that is ours, our own prices first; None: none is. `before` is the offer that the
    subscription had, which a special price keeps.
    """
    for item in items:
        offer = await offer_by_price(session, item.price.id)
        if offer is not None:
            return Sold(item, offer)
    for item in items:
        offers = await offers_of_product(session, item.price.product_id)
        if offers:
            return Sold(item, max(offers, key=lambda offer: _likeness(offer, item, before)))
    return None


def _likeness(
    offer: Offer, item: StripeSubscriptionItem, before: str | None
) -> tuple[bool, bool, bool, bool, bool, int]:
    price = item.price
    span = (offer.interval, offer.interval_count) == (price.interval, price.interval_count)
    is_subscription = offer.kind == "subscription"
    same_currency = offer.currency == price.currency.upper()
    is_sold = offer.archived_at is None
    return is_subscription, offer.id == before, span, same_currency, is_sold, -offer.position


async def bought_offer(session: AsyncSession, subscription: StripeSubscription) -> Offer | None:
    """What it was bought as at a checkout of ours; None: it wasn't."""
    name = subscription.metadata.get("checkout")
    checkout = await session.get(Checkout, name) if name is not None else None
    return await session.get_one(Offer, checkout.offer_id) if checkout is not None else None
