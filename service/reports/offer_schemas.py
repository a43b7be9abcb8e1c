"""Offers with what they sold, as JSON: how they are asked for, and how they are answered."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.bodies import ListOut
from service.db.tables import Offer
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.offers.pricing import SoldTo
from service.offers.schemas import OfferItem
from service.offers.store import sold_to_of
from service.reports.article_schemas import Day, recent
from service.reports.asked import Asked
from service.reports.offer_list import CouponUse, OfferFigures, OfferState
from service.reports.schemas import CurrencyAmount
from service.settings import Settings


class PeriodQuery(BaseModel):
    """The period of what was sold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[Day, Field(alias="from")] = ""
    """The first day; without either day the period is the last 30 days."""
    last: Annotated[Day, Field(alias="to")] = ""
    """The last day, included; without it today."""

    def asked(self, settings: Settings, now: datetime) -> Asked:
        """The period in the publication's zone. Raises Problem `invalid-request`."""
        return recent(self.first, self.last, settings, now)


class OffersQuery(PeriodQuery, ListQuery):
    """Which offers, paging, and the period of what was sold."""

    state: Annotated[OfferState | None, EMPTY_IS_NONE] = None
    """sold or ended."""


AnyPeriod = Annotated[PeriodQuery, Query()]
AnyOffers = Annotated[OffersQuery, Query()]


class AdminOffer(OfferItem):
    """An offer as operators see it. Its price can't be changed: a new amount is a new offer."""

    shown: bool
    """Whether it is sold."""
    sold_to: SoldTo
    """former: to readers who subscribed before."""
    position: int
    """Smaller is shown first."""
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    version: int

    @classmethod
    def of_offer(cls, offer: Offer) -> Self:
        return cls(
            **OfferItem.of(offer).model_dump(),
            shown=offer.archived_at is None,
            sold_to=sold_to_of(offer),
            position=offer.position,
            created_at=offer.created_at,
            ended_at=offer.archived_at,
            version=offer.version,
        )


class OfferWithFigures(AdminOffer):
    """With what it sold: `subscribers`, `trials` and `mrr` are of now, `sold` is of the period."""

    subscribers: int
    trials: int
    mrr: list[CurrencyAmount]
    sold: int
    """Checkouts that were completed: subscriptions, trials among them, passes and gifts. Not what was
    given back at once (bought twice, or a second trial), imported or sold at Stripe. What is refunded later
    was sold.
    """

    @classmethod
    def of_figures(cls, found: OfferFigures) -> Self:
        return cls(
            **AdminOffer.of_offer(found.offer).model_dump(),
            subscribers=found.subscribers,
            trials=found.trials,
            mrr=[CurrencyAmount(amount=a, currency=c) for c, a in found.mrr.items()],
            sold=found.sold,
        )


class OfferFiguresList(ListOut[OfferWithFigures]):
    """Offers in the catalogue's order."""


class CouponItem(BaseModel):
    """A coupon, which promotion codes lead to."""

    coupon: str
    percent_off: str | None
    amount_off: int | None
    currency: str | None
    duration: str
    """once, repeating or forever."""
    now: int
    """Subscriptions that have it."""
    begun: int
    """Subscriptions that began with it in the period."""

    @classmethod
    def of(cls, use: CouponUse) -> Self:
        return cls.model_validate(use, from_attributes=True)


class CouponList(BaseModel):
    """The coupons that most have or began with, 50 at most."""

    items: list[CouponItem]
