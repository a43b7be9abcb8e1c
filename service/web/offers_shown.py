"""The offers of a wall or an account in words: grouped by how often one pays, the best one first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from service.access.words import long_day
from service.offers.choice import currencies, in_currency, recommended, saving
from service.offers.pricing import amount_text
from service.offers.schemas import OfferItem
from service.settings import Settings

_PERIODS = {"day": "Daily", "week": "Weekly", "month": "Monthly", "year": "Yearly"}


@dataclass(frozen=True)
class OfferShown:
    """`saves` and `terms` are sentences, or empty."""

    id: str
    name: str
    price: str
    saves: str
    terms: str
    has_trial: bool
    most_seats: int
    covers: str


@dataclass(frozen=True)
class Period:
    """The offers that are paid at the same interval; the first is the recommended one."""

    label: str
    offers: list[OfferShown]


@dataclass(frozen=True)
class OffersShown:
    """What is sold in one currency. The first period has the recommended offer."""

    periods: list[Period]
    passes: list[OfferShown]
    currency: str
    others: list[str]
    """The other currencies that something is sold in."""


def offers_shown(
    items: Sequence[OfferItem], wanted: Sequence[str], settings: Settings, now: datetime
) -> OffersShown:
    """`wanted` are the currencies that come before the setting's. `now` is business time."""
    chosen = in_currency(items, *wanted, settings.currency)
    best = recommended(chosen)
    periods: dict[str, list[OfferShown]] = {}
    subscriptions = [each for each in chosen if each.kind == "subscription"]
    for each in sorted(subscriptions, key=lambda offer: offer != best):
        shown = _shown(each, chosen, settings.zone, now)
        periods.setdefault(_label(each), []).append(shown)
    currency = chosen[0].currency if chosen else ""
    return OffersShown(
        periods=[Period(label, offers) for label, offers in periods.items()],
        passes=[_shown(each, chosen, settings.zone, now) for each in chosen if each.kind == "pass"],
        currency=currency,
        others=[each for each in currencies(items) if each != currency],
    )


def _label(offer: OfferItem) -> str:
    if offer.interval_count == 1:
        return _PERIODS[offer.interval]
    return f"Every {offer.interval_count} {offer.interval}s"


def _shown(
    offer: OfferItem, offers: Sequence[OfferItem], zone: ZoneInfo, now: datetime
) -> OfferShown:
    saved = saving(offer, offers)
    return OfferShown(
        id=offer.id,
        name=offer.name,
        price=offer.price_text,
        saves=f"Saves {amount_text(saved, offer.currency)} a year" if saved else "",
        terms=_terms(offer, zone, now),
        has_trial=offer.trial_days > 0,
        covers=offer.covers,
        most_seats=offer.most_seats,
    )


def _terms(offer: OfferItem, zone: ZoneInfo, now: datetime) -> str:
    """When a trial ends and what is charged then."""
    if not offer.trial_days:
        return ""
    ends = long_day(now + timedelta(days=offer.trial_days), zone)
    amount = amount_text(offer.amount, offer.currency)
    return f"Card required. You pay nothing until {ends}, then {amount} unless you cancel before."
