"""From the state of a subscription at Stripe to the access it gives (billing.md): pure.

| status | access |
|---|---|
| trialing, active (collection paused or not) | to the period's end and the renewal slack; with a scheduled end, to that instant without slack |
| past_due | for the days of grace from the finalisation of the oldest invoice of the present debt |
| one that Stripe added later | to the end of the period, if that was paid |
| unpaid, incomplete, incomplete_expired, paused, canceled | none |

What stops access whatever the status says, such as an open dispute, comes from the money and from the
reader's other subscriptions (money.py, duplicates.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from service.billing.money import Money, RefundPolicy, Stop, StopKind, present_debt
from service.billing.statuses import OWING
from service.payments.gateway import StripeInvoice, StripeSubscription

GrantReason = (
    Literal[
        "period",
        "scheduled_end",
        "grace",
        "unpaid",
        "never_paid",
        "paused",
        "ended",
        "foreign",
        "unknown",
    ]
    | StopKind
)
_OPEN: frozenset[GrantReason] = frozenset({"period", "scheduled_end", "grace", "unknown"})

_UNPAID = OWING | {"incomplete"}
_CHARGED = frozenset({"trialing", "active", "past_due"})


@dataclass(frozen=True)
class Terms:
    """What the operator's settings say."""

    renewal_slack: timedelta
    grace: timedelta
    refund_policy: RefundPolicy = "keep"


@dataclass(frozen=True)
class GrantState:
    """Access from `starts_at` up to, not at, `ends_at`; None: it ends when that is first seen.

    `access_stop` is what ends it although the status would give it, at `access_stopped_at`.
    """

    starts_at: datetime
    ends_at: datetime | None
    in_grace: bool
    reason: GrantReason
    access_stop: StopKind | None = None
    access_stopped_at: datetime | None = None

    def end(self, *, before: datetime | None, seen_at: datetime) -> datetime:
        """The end to store. `before` is the stored one.

        Stripe doesn't date every loss of access: what has no date ends when it is seen, once, so
        that seeing it again changes nothing and the past stays as it was. For the same reason an
        end of access gives back nothing of what had ended before it, such as grace.
        """
        if self.ends_at is not None:
            if self.reason not in _OPEN and before is not None and before <= seen_at:
                return min(before, self.ends_at)
            return self.ends_at
        if before is not None and before <= seen_at:
            return before
        return max(seen_at, self.starts_at) if before is not None else self.starts_at


def period_end(subscription: StripeSubscription) -> datetime:
    """The end of the current period; since 2025 each item has its own, we sell one item."""
    return max(item.period_end for item in subscription.items)


def period_start(subscription: StripeSubscription) -> datetime:
    return min(item.period_start for item in subscription.items)


def scheduled_end(subscription: StripeSubscription) -> datetime | None:
    """When it will be cancelled, or None. The portal sets `cancel_at` alone."""
    if subscription.cancel_at is not None:
        return subscription.cancel_at
    return period_end(subscription) if subscription.cancel_at_period_end else None


def next_charge_at(subscription: StripeSubscription) -> datetime | None:
    """When Stripe charges the next period of any of its items; None: it ends before, or rests."""
    if subscription.status not in _CHARGED or subscription.pauses_collection:
        return None
    at = min(item.period_end for item in subscription.items)
    end = scheduled_end(subscription)
    return None if end is not None and end <= at else at


def past_due_since(
    subscription: StripeSubscription, invoices: Iterable[StripeInvoice]
) -> datetime | None:
    """When the oldest invoice of the present debt was finalised; None unless past due.

    Without an open invoice (voided, or not listed yet) the unpaid period's start is the nearest.
    """
    if subscription.status != "past_due":
        return None
    owed = (each.finalized_at for each in present_debt(invoices))
    return min((at for at in owed if at is not None), default=period_start(subscription))


def payment_problem(subscription: StripeSubscription, money: Money) -> tuple[str, str | None]:
    """What an open invoice waits for, the bank, a card or authentication, and where; or ""."""
    if subscription.status in _UNPAID and any(each.is_under_way for each in money.charges):
        return "bank", None
    unpaid = money.unpaid
    if subscription.status not in OWING or unpaid is None:
        return "", None
    return ("authentication" if money.needs_action else "card"), unpaid.hosted_url


def open_amount(subscription: StripeSubscription, money: Money) -> int | None:
    """What is left to pay of the oldest invoice of the present debt that couldn't be collected."""
    unpaid = money.unpaid
    if subscription.status not in OWING or unpaid is None:
        return None
    return unpaid.amount_due - unpaid.amount_paid


def grant_of(
    subscription: StripeSubscription,
    invoices: Iterable[StripeInvoice],
    terms: Terms,
    stop: Stop | None = None,
) -> GrantState:
    """The access this subscription gives; its open invoices count when it is past due."""
    state = _by_status(subscription, invoices, terms)
    if stop is None:
        return state
    at = max(stop.at, state.starts_at)
    stopped = replace(state, access_stop=stop.kind, access_stopped_at=at)
    if state.ends_at is not None and state.ends_at <= at:
        return stopped
    return replace(stopped, ends_at=at, in_grace=False, reason=stop.kind)


def _by_status(
    subscription: StripeSubscription, invoices: Iterable[StripeInvoice], terms: Terms
) -> GrantState:
    starts = subscription.started_at
    end = scheduled_end(subscription)
    match subscription.status:
        case "trialing" | "active":
            usual = period_end(subscription) + terms.renewal_slack
            if end is not None and end <= usual:
                return GrantState(starts, end, in_grace=False, reason="scheduled_end")
            return GrantState(starts, usual, in_grace=False, reason="period")
        case "past_due":
            since = past_due_since(subscription, invoices) or period_start(subscription)
            until = since + terms.grace
            if end is not None:
                until = min(until, end)
            return GrantState(starts, until, in_grace=True, reason="grace")
        case "canceled":
            return GrantState(starts, subscription.ended_at, in_grace=False, reason="ended")
        case "incomplete" | "incomplete_expired":
            return GrantState(starts, starts, in_grace=False, reason="never_paid")
        case "paused":
            tried_until = subscription.trial_end if _lacks_card(subscription, invoices) else None
            return GrantState(starts, tried_until, in_grace=False, reason="paused")
        case "unpaid":
            return GrantState(starts, None, in_grace=False, reason="unpaid")
        case _:
            # Nobody waits at a wall for what is paid; nothing else is open until we know better.
            paid_until = period_end(subscription) if _has_paid(subscription, invoices) else None
            return GrantState(starts, paid_until, in_grace=False, reason="unknown")


def _lacks_card(subscription: StripeSubscription, invoices: Iterable[StripeInvoice]) -> bool:
    """Whether it was paused as its trial ended without a payment method, and not at some later time."""
    end = subscription.trial_end
    return (
        end is not None
        and end >= period_start(subscription)
        and not any(each.status == "paid" and each.created_at >= end for each in invoices)
    )


def _has_paid(subscription: StripeSubscription, invoices: Iterable[StripeInvoice]) -> bool:
    """Whether something was paid for the current period."""
    since = period_start(subscription)
    return any(each.status == "paid" and each.created_at >= since for each in invoices)
