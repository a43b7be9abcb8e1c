"""What subscriptions brought before they were imported, from their invoices at Stripe: pure.

Stripe keeps no former states of a subscription, but every invoice, with the prices and discounts that it
billed. Between two invoices nothing is known but what has a date of its own: a proration's beginning, a
discount's. So what was changed and changed back within a period is missing, and a pause is seen only where
an invoice was made that nobody was asked to pay (docs/importing.md has the list).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.billing.discounts import amounts_of
from service.billing.money import Money
from service.billing.movements import Cause, Movement, Step, movements_of_step
from service.billing.recurring import INTERVALS, Revenue
from service.billing.state import EndReason
from service.billing.statuses import NEVER_STARTED, TERMINAL_STATUS
from service.payments.gateway import (
    StripeDiscount,
    StripeInvoice,
    StripeInvoiceLine,
    StripeSubscription,
    StripeSubscriptionItem,
)
from service.payments.set_up import StripePrice

_FIRST, _CYCLE = "subscription_create", "subscription_cycle"
_BILLS = frozenset({_FIRST, _CYCLE, "subscription_update"})
_NOT_ASKED = frozenset({"draft", "void", "uncollectible"})


@dataclass(frozen=True)
class Tariff:
    """A price that was billed, and the plan that it gives; empty: nothing of ours."""

    price: StripePrice
    plan: str

    @property
    def counts(self) -> bool:
        return bool(self.plan) and self.price.has_amount and self.price.interval in INTERVALS


@dataclass(frozen=True)
class Past:
    """A subscription with its money. `tariffs` by price, `end_reason` why it ended or would."""

    subscription: StripeSubscription
    money: Money
    tariffs: Mapping[str, Tariff]
    end_reason: EndReason


@dataclass(frozen=True)
class _Billed:
    """What the subscription holds from `at` on; `item` None: nothing that is paid."""

    at: datetime
    item: StripeSubscriptionItem | None
    cause: Cause


def past_movements(pasts: Sequence[Past], known: Sequence[Movement] = ()) -> tuple[Movement, ...]:
    """The movements of one reader's subscriptions, the oldest first; `known` are those of the others."""
    steps = [step for past in pasts for step in steps_of(past)]
    # Where one ends as another begins the reader has changed plans, and wasn't lost in between.
    steps.sort(key=lambda each: (each.at, each.revenue is None))
    found: list[Movement] = []
    last: dict[str, Movement] = {}
    for step in steps:
        before = [each for each in known if each.at <= step.at]
        others = [each for each in found if each.subscription_id != step.subscription_id]
        made = movements_of_step(step, last.get(step.subscription_id), [*before, *others])
        found += made
        last[step.subscription_id] = made[-1]
    return tuple(found)


def steps_of(past: Past) -> tuple[Step, ...]:
    """Each change of what the subscription brought, the oldest first; what it brings now is the last,
    unless no invoice has billed that yet.
    """
    billed = list(_billed(past))
    if not billed:
        return ()
    end = _end(past)
    discounts = list(_discounts(past))
    moments = {each.at for each in billed}
    for each in discounts:
        moments |= {each.starts_at} | ({each.ends_at} if each.ends_at is not None else set())
    first = billed[0].at
    within = sorted(at for at in moments if first <= at and (end is None or at < end.at))
    steps = list(_changes(past, billed, discounts, within))
    if end is not None and steps and steps[-1].revenue is not None:
        steps.append(replace(end, at=max(end.at, steps[-1].at)))
    return tuple(steps)


def _changes(
    past: Past,
    billed: Sequence[_Billed],
    discounts: Sequence[StripeDiscount],
    moments: Iterable[datetime],
) -> Iterator[Step]:
    was: Revenue | None = None
    held: StripeSubscriptionItem | None = None
    for at in moments:
        now = next(each for each in reversed(billed) if each.at <= at)
        lasting = tuple(each for each in discounts if _lasts(each, at))
        revenue = _revenue(past, now.item, lasting)
        if revenue != was:
            same = now.item is not None and held is not None and _is_same(now.item, held)
            cause: Cause = "discount" if same else now.cause
            yield Step(past.subscription.id, at, revenue, cause, lasting)
            was = revenue
        held = now.item


def _revenue(
    past: Past, item: StripeSubscriptionItem | None, discounts: Sequence[StripeDiscount]
) -> Revenue | None:
    """None also where everything is taken off for ever, as with what is stored."""
    if item is None:
        return None
    tariff, amounts = past.tariffs[item.price.id], amounts_of(item, discounts)
    if not tariff.counts or amounts.recurring <= 0:
        return None
    price = item.price
    return Revenue(
        tariff.plan, price.currency.upper(), price.interval or "", price.interval_count, amounts
    )


def _billed(past: Past) -> Iterator[_Billed]:
    """What each invoice billed, the oldest first."""
    subscription = past.subscription
    bills = _bills(past)
    if subscription.status in NEVER_STARTED or not bills:
        return
    if subscription.status == TERMINAL_STATUS and _was_never_paid(bills):
        return
    held: _Billed | None = None
    for bill in bills:
        for found in _of_bill(past, bill, held):
            at = subscription.started_at if bill.billing_reason == _FIRST else found.at
            if held is None and found.item is None:
                continue  # its trial
            held = replace(found, at=at if held is None else max(at, held.at))
            yield held


def _bills(past: Past) -> list[StripeInvoice]:
    """The oldest first. A draft is billed within the hour, unless collection is paused."""
    return sorted(
        (each for each in past.money.invoices if each.billing_reason in _BILLS),
        key=lambda each: (each.created_at, each.id),
    )


def _was_never_paid(bills: Sequence[StripeInvoice]) -> bool:
    return all(each.status != "paid" for each in bills)


def _of_bill(past: Past, bill: StripeInvoice, held: _Billed | None) -> Iterator[_Billed]:
    """First what was switched to within the period before, then what the new period is billed for."""
    ours = [each for each in bill.lines if _counts(past, each)]
    for line in sorted(ours, key=lambda each: each.starts_at):
        if line.is_proration and line.amount > 0:
            yield _Billed(line.starts_at, _item(past, line), "switched")
    whole = [each for each in bill.lines if not each.is_proration]
    if not whole:
        return
    counting = [each for each in whole if _counts(past, each)]
    if not counting:
        yield _Billed(bill.created_at, None, "not_sold")
        return
    line = counting[0]
    if line.amount == 0 and past.tariffs[line.price_id].price.amount > 0:
        yield _Billed(bill.created_at, None, "trial_extended")
    elif _nobody_was_asked(past, bill):
        yield _Billed(bill.created_at, None, "collection_paused")
    else:
        yield _Billed(bill.created_at, _item(past, line), _cause(past, held))


def _nobody_was_asked(past: Past, bill: StripeInvoice) -> bool:
    """Collection was paused: an invoice was made, and left or given up without a try."""
    if bill.billing_reason != _CYCLE or bill.attempt_count or bill.status not in _NOT_ASKED:
        return False
    is_last = bill.id == _bills(past)[-1].id
    return bill.status != "draft" or past.subscription.pauses_collection or not is_last


def _cause(past: Past, held: _Billed | None) -> Cause:
    if held is None:
        began, trial = past.subscription.started_at, past.subscription.trial_end
        return "trial_ended" if trial is not None and trial > began else "started"
    if held.item is not None:
        return "switched"
    ways: Mapping[Cause, Cause] = {
        "collection_paused": "collection_resumed", "trial_extended": "trial_ended",
    }  # fmt: skip
    return ways.get(held.cause, "switched")


def _counts(past: Past, line: StripeInvoiceLine) -> bool:
    tariff = past.tariffs.get(line.price_id)
    return tariff is not None and tariff.counts


def _item(past: Past, line: StripeInvoiceLine) -> StripeSubscriptionItem:
    price = past.tariffs[line.price_id].price
    return StripeSubscriptionItem(price, line.quantity, line.starts_at, line.ends_at)


def _is_same(one: StripeSubscriptionItem, other: StripeSubscriptionItem) -> bool:
    return (one.price.id, one.quantity) == (other.price.id, other.quantity)


def _discounts(past: Past) -> Iterator[StripeDiscount]:
    """Every discount with the time that it lasted.

    One that counts once lasts as long as the period of its invoice. One that was taken away before its
    end has lasted until the first invoice without it: nothing else dates that.
    """
    subscription, bills = past.subscription, _bills(past)
    holders = (subscription.discounts, *(each.discounts for each in subscription.items))
    held = {each.id: each for some in holders for each in some}
    found = {each.id: each for bill in bills for each in bill.discounts} | held
    for each in found.values():
        carrying = [bill for bill in bills if any(each.id == one.id for one in bill.discounts)]
        if each.duration == "once" and carrying:
            ends = [line.ends_at for line in carrying[-1].lines if not line.is_proration]
            yield replace(each, ends_at=max(ends, default=each.ends_at))
        elif each.ends_at is None and each.id not in held:
            after = [bill.created_at for bill in bills if bill.created_at > carrying[-1].created_at]
            yield replace(each, ends_at=min(after, default=None))
        else:
            yield each


def _lasts(discount: StripeDiscount, at: datetime) -> bool:
    return discount.starts_at <= at and (discount.ends_at is None or at < discount.ends_at)


def _end(past: Past) -> Step | None:
    """When and why it ceased to bring anything; None: it does, by its status."""
    subscription = past.subscription
    if subscription.status == TERMINAL_STATUS and subscription.ended_at is not None:
        return Step(subscription.id, subscription.ended_at, None, past.end_reason, ())
    if subscription.status == "unpaid":
        failed = [each.created_at for each in past.money.charges if each.status == "failed"]
        if failed:
            return Step(subscription.id, max(failed), None, "payment_failed", ())
    return None
