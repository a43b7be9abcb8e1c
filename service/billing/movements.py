"""Movements of MRR: what changed in what a subscription brings in a month, and why (reports.md): pure.

The movements of a subscription are a chain: each begins with what the one before it ended with. So
they add up to what the subscription brings now, whatever was seen in between and in whatever order.

Each is dated by Stripe where Stripe has a date: the start by the subscription's or, after a trial, by
the first invoice of the paid time; a switch by its invoice; a payment by when it was made; the end by
the subscription's. Stripe dates no pause of collection and no discount that somebody removes: these
get the time at which they were first seen, because nothing at Stripe says when they happened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from service.billing.money import Money
from service.billing.recurring import GIVEN_BACK, PAYING_STATUSES, Revenue
from service.billing.state import EndReason, StoredState
from service.payments.gateway import StripeDiscount

Kind = Literal[
    "new",
    "reactivation",
    "expansion",
    "contraction",
    "churn_voluntary",
    "churn_involuntary",
    "pause",
    "resume",
]
Cause = (
    Literal[
        "carried_over",
        "started",
        "trial_ended",
        "paid",
        "switched",
        "discount",
        "not_sold",
        "collection_paused",
        "collection_resumed",
        "trial_extended",
        "kept",
        "erased",
    ]
    | EndReason
)
"""`not_sold`: what it costs is outside of our model; `kept`: it was no duplicate in the end;
`carried_over`: it ran already when movements were first recorded.
"""
_CHANGED_WITHIN: frozenset[Cause] = frozenset({"discount", "switched"})


@dataclass(frozen=True)
class Movement:
    """What a subscription brought before and brings after `at`; None: nothing.

    `discounts` are those that it has then.
    """

    subscription_id: str
    at: datetime
    kind: Kind
    cause: Cause
    before: Revenue | None
    after: Revenue | None
    discounts: tuple[StripeDiscount, ...]


@dataclass(frozen=True)
class Step:
    """From `at` on the subscription brings `revenue`; None: nothing."""

    subscription_id: str
    at: datetime
    revenue: Revenue | None
    cause: Cause
    discounts: tuple[StripeDiscount, ...]


def movements(
    before: StoredState | None,
    after: StoredState,
    money: Money,
    *,
    chain: Sequence[Movement],
    others: Iterable[Movement],
    is_erased: bool = False,
) -> tuple[Movement, ...]:
    """What is to be recorded now that `after` is stored; nothing where it brings what it brought.

    `chain` are the subscription's movements, `others` those of the same reader's other subscriptions,
    each the oldest first. A change of currency is two movements: no sum mixes currencies.
    """
    last = chain[-1] if chain else None
    was = last.after if last is not None else None
    now = after.revenue
    if was == now:
        return ()
    cause = "erased" if is_erased else _cause(before, after, last)
    at = _instant(before, after, money, last)
    if last is not None:
        at = max(at, last.at)
    step = Step(after.id, at, now, cause, after.discounts)
    return movements_of_step(step, last, [each for each in others if each.at <= at])


def movements_of_step(
    step: Step, last: Movement | None, earlier: Sequence[Movement]
) -> tuple[Movement, ...]:
    """The movement that the step is after the subscription's last one; two where its currency changes.

    `earlier` are those of the same reader's other subscriptions up to then, the oldest first.
    """
    was, now = last.after if last is not None else None, step.revenue
    if was is not None and now is not None and was.currency != now.currency:
        out = Movement(
            step.subscription_id, step.at, "contraction", step.cause, was, None, step.discounts
        )
        return out, replace(out, kind="expansion", before=None, after=now)
    kind = _kind(was, now, last, step.cause, others=earlier)
    return (Movement(step.subscription_id, step.at, kind, step.cause, was, now, step.discounts),)


def _kind(
    was: Revenue | None,
    now: Revenue | None,
    last: Movement | None,
    cause: Cause,
    *,
    others: Sequence[Movement],
) -> Kind:
    if was is not None and now is not None:
        return "contraction" if _difference(was, now) < 0 else "expansion"
    latest = {each.subscription_id: each for each in others}
    has_another = any(each.after is not None for each in latest.values())
    if now is None:
        if cause in {"collection_paused", "trial_extended"}:
            return "pause"
        if has_another or cause in _CHANGED_WITHIN:
            return "contraction"
        return "churn_involuntary" if cause == "payment_failed" else "churn_voluntary"
    if last is not None and last.kind == "pause":
        return "resume"
    if has_another or (last is not None and last.cause in _CHANGED_WITHIN):
        return "expansion"
    return "reactivation" if last is not None or latest else "new"


def _difference(was: Revenue, now: Revenue) -> int:
    """The sign of the change: of MRR, or where that stays, of MRR after all discounts."""
    difference = now.mrr - was.mrr or now.net_mrr - was.net_mrr
    return (difference > 0) - (difference < 0)


def _cause(before: StoredState | None, after: StoredState, last: Movement | None) -> Cause:
    if last is not None and last.after is not None:
        return _cause_of_change(before, after)
    if last is None:
        began = after.trial_end is not None and after.trial_end > after.started_at
        return "trial_ended" if began else "started"
    match last.cause:
        case "collection_paused":
            return "collection_resumed"
        case "trial_extended":
            return "trial_ended"
        case "payment_failed":
            return "paid"
        case "not_sold":
            return "switched"
        case "discount" | "switched":
            return _cause_of_change(before, after)
        case _:
            return "kept"


def _cause_of_change(before: StoredState | None, after: StoredState) -> Cause:
    """Why what brought something brings another amount, or nothing."""
    if after.status == "trialing":
        return "trial_extended"
    if after.status == "unpaid":
        return "payment_failed"
    if after.status not in PAYING_STATUSES:
        return after.end_reason
    if after.access_stop in GIVEN_BACK:
        return after.end_reason
    if after.pauses_collection:
        return "collection_paused"
    if after.outside:
        return "not_sold"
    if before is not None and before.price != after.price:
        return "switched"
    return "discount"


def _instant(
    before: StoredState | None, after: StoredState, money: Money, last: Movement | None
) -> datetime:
    if after.status not in PAYING_STATUSES:
        return _left_at(after, money)
    if after.access_stop in GIVEN_BACK:
        return after.access_stopped_at or after.synced_at
    if before is not None and before.status in PAYING_STATUSES:
        return _changed_at(before, after, money)
    if before is None and last is not None:
        return after.synced_at  # imported: its history has no invoice for this
    if last is not None and last.cause == "payment_failed":
        paid = [each.paid_at for each in money.invoices if each.paid_at is not None]
        return min((at for at in paid if at > last.at), default=after.synced_at)
    return _started_at(after, money)


def _started_at(after: StoredState, money: Money) -> datetime:
    """After a trial without a way to pay the paid time begins later: with its first invoice."""
    if after.trial_end is None or after.trial_end <= after.started_at:
        return after.started_at
    began = [each.created_at for each in money.invoices if each.created_at >= after.trial_end]
    return min(began, default=after.trial_end)


def _left_at(after: StoredState, money: Money) -> datetime:
    if after.ended_at is not None:
        return after.ended_at
    if after.status == "unpaid":
        failed = [each.created_at for each in money.charges if each.status == "failed"]
        return max(failed, default=after.synced_at)
    return after.synced_at


def _changed_at(before: StoredState, after: StoredState, money: Money) -> datetime:
    """Of what changed while it was active: an invoice's time, a discount's, or when it was seen."""
    since, seen = before.synced_at, after.synced_at
    if before.price != after.price:
        for reason in ("subscription_update", "subscription_cycle"):
            made = [
                each.created_at
                for each in money.invoices
                if each.billing_reason == reason and each.created_at > since
            ]
            if made:
                return min(made)
        return seen
    came = [each.starts_at for each in after.discounts if each not in before.discounts]
    went = [each.ends_at for each in before.discounts if each not in after.discounts]
    dated = [at for at in (*came, *went) if at is not None and since < at <= seen]
    return min(dated, default=seen)
