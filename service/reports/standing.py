"""A subscription's state in an operator's words: Stripe's statuses, and whether it will run out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

Standing = Literal[
    "active", "trial", "ending", "past_due", "unpaid", "paused", "outside", "incomplete", "ended"
]

STATUSES: Mapping[Standing, tuple[str, ...]] = {
    "active": ("active",),
    "trial": ("trialing",),
    "ending": ("active",),
    "past_due": ("past_due",),
    "unpaid": ("unpaid",),
    "paused": ("paused",),
    "incomplete": ("incomplete", "incomplete_expired"),
    "ended": ("canceled",),
}
"""Stripe's statuses; `active` and `ending` are told apart by a scheduled cancellation. What is outside
of the model has any status.
"""

WORDS: Mapping[Standing, str] = {
    "active": "Active",
    "trial": "In trial",
    "ending": "Cancels at period end",
    "past_due": "Payment overdue",
    "unpaid": "Unpaid",
    "paused": "Paused",
    "outside": "Outside the catalogue",
    "incomplete": "Payment not completed",
    "ended": "Ended",
}

EXPLANATIONS: Mapping[Standing, str] = {
    "active": "Paid. Renews at the end of the period.",
    "trial": "Free until the trial ends. Stripe then charges for the first time.",
    "ending": "The reader has cancelled. Access ends with the paid period.",
    "past_due": "A payment failed. Stripe will retry. Access continues during the grace period.",
    "unpaid": "All payment attempts failed. The reader has no access until an invoice is paid.",
    "paused": "The trial ended without a payment method, or it was paused at Stripe. The reader has no access.",
    "outside": "Stripe bills a price that isn’t in your catalogue. No figure includes it.",
    "incomplete": "The first payment wasn’t completed. The reader has no access.",
    "ended": "The subscription has ended. The reader can subscribe again.",
}

STOPS: Mapping[str, str] = {
    "dispute": "Payment disputed: access is suspended until the bank decides",
    "dispute_lost": "Dispute lost",
    "refund": "Refunded",
    "trial_used": "The card has already had a trial or introductory price. The payment is refunded",
    "duplicate": "Duplicate purchase: the other subscription continues",
}
"""What stopped access although Stripe's status would give it."""

PAYMENT_PROBLEMS: Mapping[str, str] = {
    "card": "The reader must update the card or pay the invoice",
    "authentication": "The reader must confirm the payment with their bank",
    "bank": "Bank debit pending",
}

CANCEL_REASONS: Mapping[str, str] = {
    "cancellation_requested": "Requested",
    "payment_failed": "Payment failed",
    "payment_disputed": "Payment disputed",
    "erased": "Account erased",
}
"""By Stripe's words, and ours."""


def standing_of(status: str, cancel_at: datetime | None, outside: str) -> Standing:
    """The standing of a subscription with Stripe's `status`; `outside` as in billing/outside.py."""
    if outside:
        return "outside"
    if status == "active":
        return "active" if cancel_at is None else "ending"
    for standing, statuses in STATUSES.items():
        if status in statuses:
            return standing
    return "outside"
