"""How a list of offers is arranged for a buyer: one currency, one offer recommended, what it saves."""

from collections.abc import Sequence
from datetime import date
from math import ceil

from service.offers.pricing import PAID_ONCE
from service.offers.schemas import OfferItem

_PER_YEAR = {"month": 12, "year": 1}


def currencies(offers: Sequence[OfferItem]) -> list[str]:
    """All that something is sold in, in the catalogue's order."""
    return list(dict.fromkeys(offer.currency for offer in offers))


def currencies_of(country: str, day: date) -> list[str]:
    """What is paid with in a country (ISO 3166, as `PT`) on that day; nothing for other codes."""
    # Few newspapers let a proxy name the country.
    from babel.numbers import get_territory_currencies  # noqa: PLC0415

    return get_territory_currencies(country.upper(), day)


def in_currency(offers: Sequence[OfferItem], *wanted: str) -> list[OfferItem]:
    """Those in the first wanted currency that something is sold in, else in the first offer's."""
    sold = currencies(offers)
    chosen = next((each for each in (*wanted, *sold) if each in sold), None)
    return [offer for offer in offers if offer.currency == chosen]


def recommended(offers: Sequence[OfferItem]) -> OfferItem | None:
    """Of the first plan, the subscription that saves most, else the first. One currency."""
    subscriptions = [offer for offer in offers if offer.kind == "subscription"]
    of_plan = [offer for offer in subscriptions if offer.plan == subscriptions[0].plan]
    return max(of_plan, key=lambda offer: saving(offer, offers) or 0, default=None)


def saving(offer: OfferItem, offers: Sequence[OfferItem]) -> int | None:
    """What it saves a year against paying the same plan monthly, in minor units, without what only
    the beginning costs less; None where it saves nothing or can't be compared.
    """
    monthly = [
        each.amount
        for each in offers
        if (each.plan, each.currency, each.kind) == (offer.plan, offer.currency, "subscription")
        and (each.interval, each.interval_count) == ("month", 1)
    ]
    if offer.kind in PAID_ONCE or offer.interval not in _PER_YEAR or not monthly:
        return None
    a_year = ceil(offer.amount * _PER_YEAR[offer.interval] / offer.interval_count)
    return max(min(monthly) * 12 - a_year, 0) or None
