"""Offers as frontends see them."""

from typing import Literal, Self

from pydantic import BaseModel

from service.db.tables import Offer
from service.offers.pricing import price_for, price_text
from service.offers.store import price_of


class OfferItem(BaseModel):
    """One plan, interval, currency and trial, or a pass, or a gift. Amounts are integers in minor units."""

    id: str
    name: str
    kind: Literal["subscription", "pass", "gift"]
    """A pass is paid once; `interval` times `interval_count` is how long it opens. A gift is a pass for
    somebody else, who opens it by a link: it is sold on a page of its own.
    """
    covers: Literal["plan", "article"]
    """article: of a pass that opens the one article that it is bought for."""
    plan: str
    """Empty where a single article is sold."""
    most_seats: int = 0
    """How many seats can be bought, each at `amount`; 0: it isn't sold by the seat."""
    amount: int
    currency: str
    interval: Literal["day", "week", "month", "year"]
    interval_count: int
    trial_days: int
    intro_amount: int | None
    """What each of the first `intro_periods` costs; null: as much as the others."""
    intro_periods: int
    price_text: str

    @classmethod
    def of(cls, offer: Offer, *, subscribed_before: bool = False) -> Self:
        """As this buyer gets it: who has `subscribed_before` is promised no trial and no intro."""
        price = price_for(price_of(offer), subscribed_before=subscribed_before)
        return cls(
            id=offer.id,
            name=offer.name,
            kind=price.kind,
            covers=price.covers,
            plan=offer.plan,
            most_seats=price.most_seats,
            amount=price.amount,
            currency=price.currency,
            interval=price.interval,
            interval_count=price.interval_count,
            trial_days=price.trial_days,
            intro_amount=price.intro_amount,
            intro_periods=price.intro_periods,
            price_text=price_text(price),
        )


class OfferList(BaseModel):
    items: list[OfferItem]
