"""From the state of a subscription at Stripe to the access it gives (billing.md): pure.

| status | access |
|---|---|
| trialing, active (collection paused or not) | to the period's end and the renewal slack; with a scheduled end, to that instant without slack |
| past_due | for the days of grace from the finalisation of the oldest open invoice |
| unpaid, incomplete, incomplete_expired, paused, canceled | none |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.payments.gateway import StripeInvoice, StripeSubscription

Reason = Literal[
    "period", "scheduled_end", "grace", "unpaid", "never_paid", "paused", "ended", "foreign"
]

LIVE_STATUSES = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
"""Not over: a second subscription beside one of these would be a mistake."""
TERMINAL_STATUS = "canceled"


@dataclass(frozen=True)
class Terms:
    """What the operator's settings say."""

    renewal_slack: timedelta
    grace: timedelta


@dataclass(frozen=True)
class GrantState:
    """Access from `starts_at` up to, not at, `ends_at`; None: it ends when that is first seen."""

    starts_at: datetime
    ends_at: datetime | None
    in_grace: bool
    reason: Reason

    def end(self, *, before: datetime | None, seen_at: datetime) -> datetime:
        """The end to store. `before` is the stored one.

        Stripe doesn't date every loss of access: what has no date ends when it is seen, once, so
        that seeing it again changes nothing and the past stays as it was. For the same reason a
        cancellation gives back nothing of what had ended before it, such as grace.
        """
        if self.ends_at is not None:
            if self.reason == "ended" and before is not None and before <= seen_at:
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


def past_due_since(
    subscription: StripeSubscription, open_invoices: Iterable[StripeInvoice]
) -> datetime | None:
    """When the oldest open invoice was finalised; None unless past due.

    Without an open invoice (voided, or not listed yet) the unpaid period's start is the nearest.
    """
    if subscription.status != "past_due":
        return None
    finalised = [invoice.finalized_at for invoice in open_invoices if invoice.finalized_at]
    return min(finalised, default=period_start(subscription))


def grant_of(
    subscription: StripeSubscription, open_invoices: Iterable[StripeInvoice], terms: Terms
) -> GrantState:
    """The access this subscription gives. `open_invoices` count only when it is past due."""
    starts = subscription.started_at
    end = scheduled_end(subscription)
    match subscription.status:
        case "trialing" | "active":
            usual = period_end(subscription) + terms.renewal_slack
            if end is not None and end <= usual:
                return GrantState(starts, end, in_grace=False, reason="scheduled_end")
            return GrantState(starts, usual, in_grace=False, reason="period")
        case "past_due":
            since = past_due_since(subscription, open_invoices) or period_start(subscription)
            until = since + terms.grace
            if end is not None:
                until = min(until, end)
            return GrantState(starts, until, in_grace=True, reason="grace")
        case "canceled":
            return GrantState(starts, subscription.ended_at, in_grace=False, reason="ended")
        case "incomplete" | "incomplete_expired":
            return GrantState(starts, starts, in_grace=False, reason="never_paid")
        case "paused":
            # A trial that ended without a payment method: the trial itself was granted.
            return GrantState(starts, subscription.trial_end, in_grace=False, reason="paused")
        case _:
            # Unpaid, and whatever Stripe may add: no access until we know better.
            return GrantState(starts, None, in_grace=False, reason="unpaid")
