"""What a reader has bought, as operators and readers are shown it: pure, plain values."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from service.offers.pricing import Interval, Price
from service.reports.standing import Standing
from service.reports.timeline import ArticleMention


class SubscriptionFacts(NamedTuple):
    """A subscription with its reader, its offer and how long it gives access.

    `until` is the end of the access it gives; without a grant, its scheduled or period's end.
    `access_stop`, `payment_problem` and the like are as in the table.
    """

    reader_id: str
    email: str | None
    email_verified: bool
    subscription_id: str
    customer_id: str
    offer_id: str
    offer_name: str
    plan: str
    standing: Standing
    since: datetime
    until: datetime
    period_end: datetime
    cancel_at: datetime | None
    trial_end: datetime | None
    ended_at: datetime | None
    past_due_since: datetime | None
    pauses_collection: bool
    cancel_reason: str
    access_stop: str
    access_stopped_at: datetime | None
    payment_problem: str
    payment_url: str | None
    amount: int
    currency: str
    interval: str
    interval_count: int
    status: str = "active"
    outside: str = ""
    next_charge_at: datetime | None = None
    next_amount: int | None = None
    open_amount: int | None = None

    @property
    def current_period_end(self) -> datetime:
        """As the table calls it."""
        return self.period_end

    @property
    def price(self) -> Price:
        """What is charged, as a price of the catalogue; the standing says whether it is a trial."""
        interval: Interval = self.interval  # type: ignore[assignment]  # an offer's, checked there
        return Price(self.amount, self.currency, interval, self.interval_count, trial_days=0)


@dataclass(frozen=True)
class PassFacts:
    """A pass. It opens `plan`, or the one `article`, from `starts_at` up to `ends_at`, unless
    `access_stop` closed it at `access_stopped_at`.
    """

    id: str
    offer_name: str
    plan: str
    article: ArticleMention | None
    amount: int
    currency: str
    paid_at: datetime
    starts_at: datetime
    ends_at: datetime
    access_stop: str
    access_stopped_at: datetime | None
