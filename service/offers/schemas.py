"""Offers as frontends see them."""

from dataclasses import replace
from typing import Literal, Self

from pydantic import BaseModel

from service.db.tables import Offer
from service.offers.pricing import price_text, trial_days_for
from service.offers.store import price_of


class OfferItem(BaseModel):
    """One plan, interval, currency and trial. `amount` is an integer in minor units."""

    id: str
    name: str
    plan: str
    amount: int
    currency: str
    interval: Literal["day", "week", "month", "year"]
    interval_count: int
    trial_days: int
    price_text: str

    @classmethod
    def of(cls, offer: Offer, *, subscribed_before: bool = False) -> Self:
        """As this buyer gets it: who has `subscribed_before` is promised no second trial."""
        price = price_of(offer)
        trial_days = trial_days_for(price.trial_days, subscribed_before=subscribed_before)
        price = replace(price, trial_days=trial_days)
        return cls(
            id=offer.id,
            name=offer.name,
            plan=offer.plan,
            amount=price.amount,
            currency=price.currency,
            interval=price.interval,
            interval_count=price.interval_count,
            trial_days=price.trial_days,
            price_text=price_text(price),
        )


class OfferList(BaseModel):
    items: list[OfferItem]
