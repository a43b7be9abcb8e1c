"""What happened to a subscription, from what was stored of it and what Stripe says now: pure.

Stripe's objects alone date what Stripe dates: each invoice, failed attempt, refund and
dispute once, by its id, so that the order in which we hear of them can't matter. What Stripe doesn't
date is told when it is seen, by the version that was stored with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.billing.money import REASON, Money
from service.billing.state import StoredState, iso
from service.billing.statuses import LIVE_STATUSES, TERMINAL_STATUS
from service.outbox.event_types import EventType
from service.payments.gateway import StripeInvoice

TRIAL_WILL_END = timedelta(days=3)
"""Stripe announces a trial's end this long before it."""
_GOING_ON = frozenset({"trialing", "active"})
_OWING = frozenset({"past_due", "unpaid"})
_FIRST, _RENEWAL, _CHANGE = "subscription_create", "subscription_cycle", "subscription_update"
Details = Mapping[str, object]


@dataclass(frozen=True)
class Happening:
    """`once` names it among all; `details` are its members beside the subscription."""

    type: EventType
    once: str
    at: datetime
    details: Details


def transitions(
    before: StoredState | None, after: StoredState, money: Money, now: datetime
) -> tuple[Happening, ...]:
    """What is to be told, the earliest first; what was told before is among it. `now` is business
    time. `before` None: the subscription wasn't known.
    """
    found = [*_dated(after, money, now), *_refunds(after, money), *_disputes(money, now)]
    if after.has_started:
        found += _of_invoices(after, money)
        if before is not None and before.has_started:
            found += _seen(before, after, money, now)
    return tuple(sorted(_once_each(found), key=lambda each: (each.at, each.once)))


def _dated(after: StoredState, money: Money, now: datetime) -> Iterator[Happening]:
    """What the subscription's own dates say."""
    if not after.has_started:
        return
    first = next((each for each in money.invoices if each.billing_reason == _FIRST), None)
    details = _invoice(first) if first is not None else {}
    yield _happening("subscription.started", after.id, after.started_at, details)
    if after.trial_end is not None and after.status == "trialing":
        soon = max(after.trial_end - TRIAL_WILL_END, after.started_at)
        if soon <= now:
            once = f"{after.id}:{int(after.trial_end.timestamp())}"
            yield _happening("subscription.trial_will_end", once, soon, {})
    asked = after.cancel_asked_at
    ends = after.ended_at or after.cancel_at
    if asked is not None and ends is not None and asked < ends and _is_by_choice(after):
        details = {"ends_at": iso(ends)}
        once = f"{after.id}:{int(asked.timestamp())}"
        yield _happening("subscription.cancel_scheduled", once, asked, details)
    if after.status == TERMINAL_STATUS:
        at = after.ended_at or now
        yield _happening("subscription.ended", after.id, at, {"reason": after.end_reason})


def _of_invoices(after: StoredState, money: Money) -> Iterator[Happening]:
    """Renewals and failures: each invoice tells its own story, its failed charges date it.

    What failed at Checkout is nobody's news; a first bank debit that fails afterwards is.
    """
    for invoice in money.invoices:
        owes = invoice.status == "open" and after.status in _OWING
        if invoice.billing_reason == _FIRST and not owes:
            continue
        failed = sorted(
            each.created_at for each in money.charges_for(invoice) if each.status == "failed"
        )
        is_paid = invoice.status == "paid"
        failures = max(invoice.attempt_count - is_paid, len(failed))
        began = invoice.finalized_at or invoice.created_at
        for number in range(1, failures + 1):
            at = failed[min(number, len(failed)) - 1] if failed else began
            details = {**_invoice(invoice), "attempt": number}
            if not is_paid:
                details["needs_action"] = money.needs_action
            yield _happening("subscription.payment_failed", f"{invoice.id}:{number}", at, details)
        if not is_paid:
            continue
        paid_at = _paid_at(invoice)
        if invoice.billing_reason == _RENEWAL:
            details = {**_invoice(invoice), "paid_until": iso(_paid_until(invoice, after))}
            ends_trial = after.trial_end is not None and _is_first_paid(invoice, money)
            type_: EventType = "subscription.trial_paid" if ends_trial else "subscription.renewed"
            # One name for both: each invoice is told once, whatever it was called before.
            yield Happening(type_, f"subscription.renewed:{invoice.id}", paid_at, details)
        if failures > 0:
            yield _happening("subscription.recovered", invoice.id, paid_at, _invoice(invoice))


def _is_first_paid(invoice: StripeInvoice, money: Money) -> bool:
    """Whether it is the first one that bills something and is paid: a trial's own invoice bills nothing.

    First by its payment: one that is older and paid later changes nothing that was told before.
    """
    billed = (
        each
        for each in reversed(money.invoices)
        if each.status == "paid" and any(line.amount > 0 for line in each.lines)
    )
    first = min(billed, key=_paid_at, default=None)
    return first is not None and first.id == invoice.id


def _paid_at(invoice: StripeInvoice) -> datetime:
    return invoice.paid_at or invoice.finalized_at or invoice.created_at


def _paid_until(invoice: StripeInvoice, after: StoredState) -> datetime:
    """The end of the period that this invoice is for: by its own lines, as several may be heard of late."""
    whole = [each for each in invoice.lines if not each.is_proration]
    ours = [each.ends_at for each in whole if each.price_id == after.price_id]
    return max(ours or [each.ends_at for each in whole], default=after.current_period_end)


def _refunds(after: StoredState, money: Money) -> Iterator[Happening]:
    for refund in money.counting_refunds():
        details: dict[str, object] = {
            "subscription": after.id,
            "refund": refund.id,
            "amount_refunded": refund.amount,
            "currency_refunded": refund.currency.upper(),
            "reason": refund.metadata.get(REASON),
        }
        yield _happening("payment.refunded", refund.id, refund.created_at, details)


def _disputes(money: Money, now: datetime) -> Iterator[Happening]:
    for dispute in money.disputes:
        details = {"dispute": dispute.id, "dispute_status": dispute.status}
        is_won = dispute.status == "won"
        if dispute.is_open or dispute.is_lost or is_won:
            yield _happening("subscription.disputed", dispute.id, dispute.created_at, details)
        if dispute.is_lost or is_won:
            yield _happening("subscription.dispute_closed", dispute.id, now, details)


def _seen(
    before: StoredState, after: StoredState, money: Money, now: datetime
) -> Iterator[Happening]:
    """What only two states together tell."""
    once = f"{after.id}:{after.version}"
    if after.status in LIVE_STATUSES:
        undone = before.cancel_at is not None and after.cancel_at is None
        woken = before.status == "paused" and after.status in _GOING_ON
        if undone or woken:
            yield _happening("subscription.resumed", once, now, {})
        if before.cancel_at != after.cancel_at is not None and after.cancel_asked_at is None:
            details = {"ends_at": iso(after.cancel_at)}
            yield _happening("subscription.cancel_scheduled", once, now, details)
        if after.status == "paused" and before.status != "paused":
            yield _happening("subscription.paused", once, now, {})
        if after.pauses_collection and not before.pauses_collection:
            yield _happening("subscription.collection_paused", once, now, {})
        if before.pauses_collection and not after.pauses_collection:
            yield _happening("subscription.collection_resumed", once, now, {})
    if before.price != after.price:
        change = next((each for each in money.invoices if each.billing_reason == _CHANGE), None)
        yield _happening(
            "subscription.switched", once, now, _invoice(change) if change is not None else {}
        )
    if before.status in _OWING and after.status in _GOING_ON:
        paid = money.paid
        yield _happening(
            "subscription.recovered",
            paid.id if paid is not None else once,
            paid.paid_at or now if paid is not None else now,
            _invoice(paid) if paid is not None else {},
        )


def _is_by_choice(after: StoredState) -> bool:
    return after.cancel_reason in {"", "cancellation_requested"}


def _once_each(found: list[Happening]) -> list[Happening]:
    return list({each.once: each for each in reversed(found)}.values())


def _happening(type_: EventType, once: str, at: datetime, details: Details) -> Happening:
    return Happening(type_, f"{type_}:{once}", at, details)


def _invoice(invoice: StripeInvoice) -> dict[str, object]:
    return {
        "invoice": invoice.id,
        "invoice_status": invoice.status,
        "amount_due": invoice.amount_due,
        "amount_paid": invoice.amount_paid,
        "invoice_currency": invoice.currency.upper(),
        "invoice_url": invoice.hosted_url,
        "next_attempt_at": iso(invoice.next_attempt_at),
    }
