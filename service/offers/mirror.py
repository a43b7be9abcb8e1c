"""Offers at Stripe: one product a plan, and one each intro price; one price an offer, made once and
found again.

Nothing here waits for Stripe inside a transaction (docs/decisions/
stripe-outside-transactions.md). Two processes may mirror the same offer at once: the lookup key and
the idempotency key lead both to the same price, and the intro's coupon has an id of ours.
"""

from dataclasses import dataclass

from sqlalchemy import update

from service.db.session import Database
from service.db.tables import Offer
from service.offers.pricing import PAID_ONCE, intro_months
from service.offers.store import live_offers, price_of, product_id_of
from service.payments.set_up import CatalogueGateway, StripePrice

_ARTICLE_NAME = "One article"
INTRO_COUPON = "pw_intro_"
"""So begin the ids of the coupons of intro prices."""
_LONGEST_COUPON_NAME = 40
"""Stripe takes no longer ones."""


@dataclass(frozen=True)
class Mirrored:
    """Ids at Stripe. `coupon_id` is that of the intro; None: there is none."""

    price_id: str
    coupon_id: str | None


def lookup_key(offer: Offer) -> str:
    """The price's name at Stripe; all that a price can't change is in it."""
    period = "once" if offer.kind in PAID_ONCE else f"{offer.interval_count}{offer.interval}"
    return f"pw_{offer.id}_{offer.amount}{offer.currency.lower()}_{period}"


async def mirror_offers(database: Database, gateway: CatalogueGateway) -> int:
    """Mirror each live offer that isn't whole at Stripe yet; how many those were."""
    async with database.reading() as session:
        waiting = [offer for offer in await live_offers(session) if not _is_mirrored(offer)]
    for offer in waiting:
        await mirror_offer(database, gateway, offer)
    return len(waiting)


async def mirror_offer(
    database: Database, gateway: CatalogueGateway, offer: Offer, *, anew: bool = False
) -> Mirrored:
    """The offer's price at Stripe and its intro's coupon, made and remembered where they aren't yet.

    `anew`: what we remember is of another account, such as the one for tests.
    """
    if offer.stripe_price_id is not None and _is_mirrored(offer) and not anew:
        return Mirrored(offer.stripe_price_id, offer.stripe_coupon_id)
    price = await _price(gateway, offer)
    has_intro = offer.intro_amount is not None
    coupon_id = await _coupon(gateway, offer, price.product_id) if has_intro else None
    async with database.transaction() as session:
        await session.execute(
            update(Offer)
            .where(Offer.id == offer.id)
            .values(stripe_price_id=price.id, stripe_coupon_id=coupon_id)
        )
    return Mirrored(price.id, coupon_id)


def _is_mirrored(offer: Offer) -> bool:
    has_coupon = offer.intro_amount is None or offer.stripe_coupon_id is not None
    return offer.stripe_price_id is not None and has_coupon


async def _price(gateway: CatalogueGateway, offer: Offer) -> StripePrice:
    key = lookup_key(offer)
    found = await gateway.find_price(key)
    if found is not None:
        return found
    product_id = product_id_of(offer)
    by_article = offer.covers == "article"
    name = _ARTICLE_NAME if by_article else offer.plan.replace("-", " ").capitalize()
    await gateway.ensure_product(product_id, name)
    return await gateway.create_price(
        product_id=product_id,
        lookup_key=key,
        amount=offer.amount,
        currency=offer.currency,
        interval=None if offer.kind in PAID_ONCE else offer.interval,
        interval_count=offer.interval_count,
    )


async def _coupon(gateway: CatalogueGateway, offer: Offer, product_id: str) -> str:
    """What takes the intro's periods down to their price; all that it can't change is in its id."""
    off = offer.amount - (offer.intro_amount or 0)
    months = intro_months(price_of(offer))
    span = "once" if months is None else f"{months}months"
    coupon_id = f"{INTRO_COUPON}{offer.id}_{off}{offer.currency.lower()}_{span}"
    await gateway.ensure_coupon(
        coupon_id, name=offer.name[:_LONGEST_COUPON_NAME], amount_off=off, currency=offer.currency,
        months=months, product_id=product_id,
    )  # fmt: skip
    return coupon_id
