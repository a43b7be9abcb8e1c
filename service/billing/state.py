"""A subscription as it was stored at one version: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.billing.discounts import Amounts
from service.billing.money import Money
from service.billing.outside import Outside
from service.billing.recurring import Revenue, is_paid
from service.billing.statuses import NEVER_STARTED
from service.payments.gateway import StripeDiscount

EndReason = Literal[
    "voluntary", "payment_failed", "dispute_lost", "refund", "trial_used", "duplicate"
]
_STOPS: tuple[EndReason, ...] = ("dispute_lost", "refund", "trial_used", "duplicate")


@dataclass(frozen=True)
class StoredState:
    """A subscription as stored at one version. `cancel_asked_at`: when its end was asked for."""

    id: str
    version: int
    status: str
    plan: str
    offer_id: str
    amount: int
    currency: str
    interval: str
    interval_count: int
    started_at: datetime
    current_period_end: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    pauses_collection: bool
    cancel_reason: str
    access_stop: str
    access_stopped_at: datetime | None
    recurring_amount: int
    net_amount: int
    discounts: tuple[StripeDiscount, ...]
    synced_at: datetime
    cancel_asked_at: datetime | None = None
    outside: Outside = ""
    next_charge_at: datetime | None = None
    next_amount: int | None = None
    open_amount: int | None = None
    payment_problem: str = ""
    payment_url: str | None = None
    price_id: str | None = None
    imported_at: datetime | None = None
    """When `paywall import stripe` brought it in: what happened before is no news to anybody."""

    @property
    def has_started(self) -> bool:
        return self.status not in NEVER_STARTED

    @property
    def end_reason(self) -> EndReason:
        """Why it ended, or would."""
        return end_reason_of(self.access_stop, self.cancel_reason)

    @property
    def price(self) -> tuple[str, int, str, str, int]:
        return self.offer_id, self.amount, self.currency, self.interval, self.interval_count

    @property
    def revenue(self) -> Revenue | None:
        """What it brings; None: nothing."""
        paid = is_paid(self.status, self.recurring_amount, self.access_stop)
        if not paid or self.pauses_collection or self.outside:
            return None
        return Revenue(
            self.plan,
            self.currency,
            self.interval,
            self.interval_count,
            Amounts(self.amount, self.recurring_amount, self.net_amount),
        )

    def payload(self) -> dict[str, object]:
        """As the ledger and the newsroom's systems get it: plain JSON values."""
        return {
            "status": self.status,
            "plan": self.plan,
            "offer": self.offer_id,
            "amount": self.amount,
            "currency": self.currency,
            "interval": self.interval,
            "interval_count": self.interval_count,
            "current_period_end": iso(self.current_period_end),
            "trial_end": iso(self.trial_end),
            "cancel_at": iso(self.cancel_at),
            "ended_at": iso(self.ended_at),
            "collection_paused": self.pauses_collection,
            "access_stop": self.access_stop or None,
        }


@dataclass(frozen=True)
class StateChange:
    """A subscription before and after it was stored, and the money that says why.

    `before` None: it wasn't known. `open_until` is when access ends or ended by what is known now.
    """

    reader_id: str
    before: StoredState | None
    after: StoredState
    money: Money
    open_until: datetime


def end_reason_of(access_stop: str, cancel_reason: str) -> EndReason:
    """Why a subscription ends: what stopped its access, else what Stripe says."""
    for stop in _STOPS:
        if access_stop == stop:
            return stop
    if cancel_reason == "payment_disputed":
        return "dispute_lost"
    return "payment_failed" if cancel_reason == "payment_failed" else "voluntary"


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
