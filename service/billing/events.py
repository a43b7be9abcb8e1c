"""Which of Stripe's events concern us, and which object each asks us to fetch again: pure."""

from dataclasses import dataclass
from typing import Literal

from service.payments.gateway import MoneyObject, StripeEvent

Subject = Literal["checkout", "subscription", "customer"] | MoneyObject

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
    "invoice.voided": "subscription",
    "invoice.marked_uncollectible": "subscription",
    "charge.refunded": "charge",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.dispute.created": "dispute",
    # Only these report an inquiry that becomes a chargeback.
    "charge.dispute.updated": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.closed": "dispute",
    "customer.updated": "customer",
    "customer.deleted": "customer",
}
"""Stripe is asked to send these and no others (stripe_setup.py)."""


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
    # An invoice outside a subscription (a one-off) has none to fetch.
    return Refetch(subject, subscription_id) if subscription_id is not None else None


def concerns_us(event: StripeEvent) -> bool:
    return refetch_of(event.type, event.object_id, event.subscription_id) is not None
