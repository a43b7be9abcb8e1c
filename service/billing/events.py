"""Which of Stripe's events concern us, and which object each asks us to fetch again: pure."""

from dataclasses import dataclass
from typing import Literal

from service.payments.books import BookedKind, Booking
from service.payments.gateway import MoneyObject, StripeEvent

Subject = Literal["checkout", "subscription", "customer", "money"] | MoneyObject
"""money: it concerns only what is kept of money (booking_of)."""

HANDLED: dict[str, Subject] = {
    "checkout.session.completed": "checkout",
    "checkout.session.expired": "checkout",
    "checkout.session.async_payment_succeeded": "checkout",
    "checkout.session.async_payment_failed": "checkout",
    "customer.subscription.created": "subscription",
    "customer.subscription.updated": "subscription",
    "customer.subscription.deleted": "subscription",
    "customer.subscription.paused": "subscription",
    "customer.subscription.resumed": "subscription",
    "customer.subscription.trial_will_end": "subscription",
    "invoice.paid": "subscription",
    "invoice.payment_failed": "subscription",
    "invoice.payment_action_required": "subscription",
    "invoice.upcoming": "subscription",
    "invoice.finalized": "money",
    "invoice.voided": "subscription",
    "invoice.marked_uncollectible": "subscription",
    "charge.succeeded": "money",
    "charge.pending": "money",
    "charge.failed": "money",
    # Stripe may book a payment in the balance a little later.
    "charge.updated": "money",
    "charge.refunded": "charge",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.dispute.created": "dispute",
    # Only these report an inquiry that becomes a chargeback.
    "charge.dispute.updated": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "money",
    "charge.dispute.closed": "dispute",
    "payout.created": "money",
    "payout.updated": "money",
    "payout.paid": "money",
    "payout.failed": "money",
    "payout.canceled": "money",
    "payout.reconciliation_completed": "money",
    "customer.updated": "customer",
    "customer.deleted": "customer",
}
"""Stripe is asked to send these and no others (stripe_setup.py)."""
_BOOKED_BY_PREFIX: dict[str, BookedKind] = {
    "invoice.": "invoice",
    "charge.dispute.": "dispute",
    "charge.": "charge",
    "refund.": "refund",
    "payout.": "payout",
}
"""The first that fits says which object to keep as Stripe has it now."""


@dataclass(frozen=True)
class Refetch:
    """The object to ask Stripe for; an event's own copy of it may be out of date."""

    subject: Subject
    id: str


def refetch_of(event_type: str, object_id: str, subscription_id: str | None) -> Refetch | None:
    """What to fetch for this event; None when it doesn't concern us."""
    subject = HANDLED.get(event_type)
    if subject is None:
        return None
    if subject != "subscription":
        return Refetch(subject, object_id) if object_id else None
    if subscription_id is not None:
        return Refetch(subject, subscription_id)
    # An invoice outside a subscription (a one-off) has none to fetch.
    return Refetch("money", object_id) if object_id else None


def booking_of(event_type: str, object_id: str) -> Booking | None:
    """What of money to ask for and keep because of this event; None: nothing."""
    if event_type not in HANDLED or not object_id:
        return None
    fitting = (kind for prefix, kind in _BOOKED_BY_PREFIX.items() if event_type.startswith(prefix))
    kind = next(fitting, None)
    return Booking(kind, object_id) if kind is not None else None


def concerns_us(event: StripeEvent) -> bool:
    return refetch_of(event.type, event.object_id, event.subscription_id) is not None
