"""When passes open and close: pure (billing.md, access.md).

A pass opens when it is paid; one that is bought for the same thing while another runs opens when
that one closes. A refund in full and disputes follow the rules of subscriptions (money.py). Where a
refund ends a pass the next one opens at once; a dispute moves no other pass, since it may be won.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from service.billing.money import RefundPolicy, Stop, policy_of
from service.offers.pricing import Price, end_of_pass
from service.payments.gateway import StripeCharge, StripeDispute, StripeRefund

_AT_ONCE = frozenset({"card", "link"})
COUNTING = frozenset({"succeeded", "pending"})
"""Statuses of refunds that gave money back, or are about to."""


@dataclass(frozen=True)
class BoughtPass:
    """One pass of a reader among those for the same thing."""

    id: str
    price: Price
    paid_at: datetime
    stop: Stop | None


@dataclass(frozen=True)
class PassPeriod:
    """Access from `starts_at` up to, not at, `closes_at`: `ends_at`, unless something stops it."""

    starts_at: datetime
    ends_at: datetime
    closes_at: datetime


def periods(bought: Iterable[BoughtPass]) -> Mapping[str, PassPeriod]:
    """The period of each pass by its id; the order in which we heard of them doesn't matter."""
    found: dict[str, PassPeriod] = {}
    free_from: datetime | None = None
    for each in sorted(bought, key=lambda each: (each.paid_at, each.id)):
        starts = each.paid_at if free_from is None else max(each.paid_at, free_from)
        ends = end_of_pass(each.price, starts)
        closes = ends if each.stop is None else max(starts, min(ends, each.stop.at))
        found[each.id] = PassPeriod(starts, ends, closes)
        free_from = closes if each.stop is not None and each.stop.kind == "refund" else ends
    return found


def paid_at(charge: StripeCharge | None, seen_at: datetime) -> datetime:
    """When the money came: a card's charge says it; that of a bank debit was made days before, and
    Stripe doesn't date its success, so what counts is when we first see it.
    """
    if charge is None or charge.method not in _AT_ONCE:
        return seen_at
    # Stripe's clock may be seconds ahead: who has paid doesn't wait for ours.
    return min(charge.created_at, seen_at)


def stop_of_pass(
    charge: StripeCharge | None,
    refunds: Iterable[StripeRefund],
    disputes: Iterable[StripeDispute],
    policy: RefundPolicy,
) -> Stop | None:
    """What ends the access of a pass before its time; `refunds` and `disputes` are the charge's."""
    real = [each for each in disputes if each.is_lost or each.is_open]
    lost = [each.created_at for each in real if each.is_lost]
    if lost:
        return Stop("dispute_lost", min(lost), cancels=False)
    given = [each for each in refunds if each.status in COUNTING]
    disputed = [each.created_at for each in real]
    if charge is not None and given and sum(each.amount for each in given) >= charge.amount:
        newest = max(given, key=lambda each: (each.created_at, each.id))
        if policy_of(newest, policy) != "keep":
            return Stop("refund", min([newest.created_at, *disputed]), cancels=False)
    return Stop("dispute", min(disputed), cancels=False) if disputed else None
