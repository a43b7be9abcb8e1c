"""Stripe's customer portal as our readers find it: cancel, switch among our offers, change the card.

The configuration follows the catalogue; it is found by the publication's name in its metadata, so
that several publications can share an account, and nobody has to note its id.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import Offer
from service.offers.store import offers_for_everybody, product_id_of
from service.payments.gateway import GatewayRefused
from service.payments.set_up import SetUpGateway, StripePortalConfiguration, StripePrice

log = structlog.get_logger()

MOST_PRODUCTS = 10
"""Stripe's own limit (API reference, portal configuration)."""


def portal_features(prices: Iterable[tuple[Offer, StripePrice]]) -> dict[str, Any]:
    """What the portal offers, in Stripe's words: to switch among the plain offers too. `prices` are the live offers
    with their prices.

    None by the seat is among them: a switch keeps the quantity.
    """
    products = _by_product(_at_stripe(prices), by_seat=False)
    listed = [
        {"product": product, "prices": [price for _, price in sold]}
        for product, sold in products.items()
    ]
    can_switch = sum(len(sold) for sold in products.values()) > 1
    return _features("price" if can_switch else None, listed)


def seat_features(prices: Iterable[tuple[Offer, StripePrice]]) -> dict[str, Any]:
    """The same for an owner of seats: no other offer to switch to, but another number of seats.

    More are paid at once for the rest of the period. Fewer are fewer at once; what was paid for them counts
    against the next invoices. Stripe has one limit a product: the smallest of its offers, which none exceeds.
    """
    products = _by_product(_at_stripe(prices), by_seat=True)
    listed = [
        {
            "product": product,
            "prices": [price for _, price in sold],
            "adjustable_quantity": {
                "enabled": True, "minimum": 1, "maximum": min(offer.most_seats for offer, _ in sold),
            },
        }
        for product, sold in products.items()
    ]  # fmt: skip
    return _features("quantity" if listed else None, listed)


def _at_stripe(prices: Iterable[tuple[Offer, StripePrice]]) -> Iterator[tuple[Offer, str, str]]:
    return ((offer, price.product_id, price.id) for offer, price in prices)


def _by_product(
    prices: Iterable[tuple[Offer, str, str]], *, by_seat: bool
) -> dict[str, list[tuple[Offer, str]]]:
    """The prices that the portal takes, of as many products as it takes; `prices` are offers with the ids of their
    product and price.

    A product's prices must differ by their interval: of several of a plan the catalogue's first one
    counts, and a price with an intro, which has its own product, is none to switch to beside it.
    """
    products: dict[str, list[tuple[Offer, str]]] = {}
    rhythms: set[tuple[str, str, int]] = set()
    for offer, product_id, price_id in prices:
        rhythm = offer.plan, offer.interval, offer.interval_count
        if bool(offer.most_seats) is by_seat and rhythm not in rhythms:
            rhythms.add(rhythm)
            products.setdefault(product_id, []).append((offer, price_id))
    return dict(list(products.items())[:MOST_PRODUCTS])


def _features(update: str | None, products: list[dict[str, Any]]) -> dict[str, Any]:
    """`update` is what of a subscription can be changed, among these products; None: nothing."""
    return {
        "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {
            "enabled": True,
            "mode": "at_period_end",
            "proration_behavior": "none",
            "cancellation_reason": {"enabled": True, "options": REASONS},
        },
        "subscription_update": {
            "enabled": update is not None,
            "default_allowed_updates": [update] if update is not None else [],
            # Charged with the next invoice, a dearer plan would be open until then without payment, a
            # year long perhaps, to a reader who has cancelled or removed the card by that time.
            "proration_behavior": "always_invoice",
            "products": products if update is not None else [],
        },
    }


def for_seats(publication: str) -> str:
    """The name of the second configuration, without switching, for owners of seats.

    Stripe lets readers switch from a price that isn't listed, too: of five seats a plain offer would be
    charged five times.
    """
    return f"{publication} (seats)"


REASONS = [
    "too_expensive",
    "unused",
    "low_quality",
    "missing_features",
    "switched_service",
    "other",
]
"""What a reader who cancels is asked, among Stripe's own answers."""


def holds(wanted: Any, found: Any) -> bool:
    """Whether `found` says all that is `wanted`; what Stripe adds to it doesn't matter."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and holds(value, found[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(wanted) != len(found):
            return False
        return all(any(holds(each, other) for other in found) for each in wanted)
    return bool(wanted == found)


async def wanted_portals(
    database: Database, gateway: SetUpGateway, publication: str
) -> dict[str, dict[str, Any]]:
    """The features of each configuration, by its name, for what is sold now and mirrored at Stripe."""
    prices = []
    async with database.reading() as session:
        offers = await _mirrored(session)
    for offer in offers:
        price = await gateway.retrieve_price(offer.stripe_price_id or "")
        if price is not None and price.active:
            prices.append((offer, price))
    return {publication: portal_features(prices), for_seats(publication): seat_features(prices)}


def listed_prices(offers: Iterable[Offer], *, by_seat: bool) -> set[str]:
    """The prices among which Stripe's portal lets readers switch; `by_seat`: of which it lets owners change the
    number of seats. `offers` are those for everybody, in the catalogue's order.

    Stripe isn't asked: a price that was adopted counts as one of its plan's product.
    """
    prices = (
        (each, product_id_of(each), each.stripe_price_id or "")
        for each in filter(_is_mirrored, offers)
    )
    sold = _by_product(prices, by_seat=by_seat).values()
    return {price_id for of_product in sold for _, price_id in of_product}


async def mirror_portal(database: Database, gateway: SetUpGateway, publication: str) -> None:
    """Bring the publication's portal configurations to the catalogue."""
    for name, wanted in (await wanted_portals(database, gateway, publication)).items():
        found = await gateway.portal_configuration(name)
        if found is None or not holds(wanted, found.features):
            await gateway.save_portal_configuration(
                name, features=wanted, configuration_id=found.id if found is not None else None
            )


async def portal_for_seats(gateway: SetUpGateway, publication: str) -> StripePortalConfiguration:
    """The configuration for owners of seats, made here where nothing was mirrored yet.

    In the account's own portal they could switch.
    """
    name = for_seats(publication)
    found = await gateway.portal_configuration(name)
    if found is not None:
        return found
    return await gateway.save_portal_configuration(
        name, features=seat_features(()), configuration_id=None
    )


class PortalMirror:
    """Mirrors the portal at the start and when the catalogue has changed since."""

    def __init__(self) -> None:
        self._done: frozenset[str | None] | None = None

    async def run(self, database: Database, gateway: SetUpGateway, publication: str) -> None:
        async with database.reading() as session:
            catalogue = frozenset(offer.stripe_price_id for offer in await _mirrored(session))
        if catalogue == self._done:
            return
        try:
            await mirror_portal(database, gateway, publication)
        except GatewayRefused as error:
            # Readers find the account's own portal; asking again would be refused again.
            log.error("portal.refused", reason=str(error))  # noqa: TRY400 foreseen, and the reason says all
        self._done = catalogue


async def _mirrored(session: AsyncSession) -> list[Offer]:
    offers = await offers_for_everybody(session)
    return [each for each in offers if _is_mirrored(each)]


def _is_mirrored(offer: Offer) -> bool:
    return offer.kind == "subscription" and bool(offer.stripe_price_id)
