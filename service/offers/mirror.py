"""Offers at Stripe: one product a plan, one price an offer, made once and found again.

Nothing here waits for Stripe inside a transaction (docs/decisions/
stripe-outside-transactions.md). Two processes may mirror the same offer at once: the lookup key and
the idempotency key lead both to the same price.
"""

from sqlalchemy import update

from service.db.session import Database
from service.db.tables import Offer
from service.offers.store import live_offers
from service.payments.gateway import Gateway


def lookup_key(offer: Offer) -> str:
    """The price's name at Stripe; all that a price can't change is in it."""
    return (
        f"pw_{offer.id}_{offer.amount}{offer.currency.lower()}_"
        f"{offer.interval_count}{offer.interval}"
    )


async def mirror_offers(database: Database, gateway: Gateway) -> int:
    """Mirror each live offer that has no price yet; how many those were."""
    async with database.reading() as session:
        waiting = [offer for offer in await live_offers(session) if offer.stripe_price_id is None]
    for offer in waiting:
        await mirror_offer(database, gateway, offer)
    return len(waiting)


async def mirror_offer(
    database: Database, gateway: Gateway, offer: Offer, *, anew: bool = False
) -> str:
    """The id of the offer's price at Stripe, made and remembered where it isn't yet.

    `anew`: the price we remember is of another account, such as the one for tests.
    """
    if offer.stripe_price_id is not None and not anew:
        return offer.stripe_price_id
    key = lookup_key(offer)
    price = await gateway.find_price(key)
    if price is None:
        product_id = f"pw_plan_{offer.plan}"
        await gateway.ensure_product(product_id, offer.plan.replace("-", " ").capitalize())
        price = await gateway.create_price(
            product_id=product_id,
            lookup_key=key,
            amount=offer.amount,
            currency=offer.currency,
            interval=offer.interval,
            interval_count=offer.interval_count,
        )
    async with database.transaction() as session:
        await session.execute(
            update(Offer).where(Offer.id == offer.id).values(stripe_price_id=price.id)
        )
    return price.id
