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
    "ending": "Cancelled, runs out",
    "past_due": "Payment overdue",
    "unpaid": "Unpaid",
    "paused": "Paused",
    "outside": "Outside the catalogue",
    "incomplete": "Never paid",
    "ended": "Ended",
}

EXPLANATIONS: Mapping[Standing, str] = {
    "active": "Paid, and renewed at the end of the period.",
    "trial": "Reads for free until the trial ends; then Stripe charges for the first time.",
    "ending": "The reader has cancelled: access lasts to the end of what is paid.",
    "past_due": "A payment failed. Stripe tries again; access goes on for the days of grace.",
    "unpaid": "All tries to charge have failed: access is closed until an invoice is paid.",
    "paused": "Its trial ended without a way to pay, or somebody paused it at Stripe: access is closed.",
    "outside": "Stripe bills something that we don’t sell or don’t understand. It is in no figure.",
    "incomplete": "The first payment was never completed: there is no access.",
    "ended": "The subscription is over: the reader can subscribe again.",
}

STOPS: Mapping[str, str] = {
    "dispute": "A payment is disputed: access rests until the bank has decided",
    "dispute_lost": "A dispute was lost: the money is gone",
    "refund": "The money was given back",
    "trial_used": "The card has had a trial or intro price before: what was paid goes back",
    "duplicate": "Bought twice: the other one stays",
}
"""What stopped access although Stripe's status would give it."""

PAYMENT_PROBLEMS: Mapping[str, str] = {
    "card": "Waits for another card, or for the invoice to be paid",
    "authentication": "Waits for the reader to confirm the payment at their bank",
    "bank": "Waits for the bank’s answer to a debit",
}

CANCEL_REASONS: Mapping[str, str] = {
    "cancellation_requested": "Asked for",
    "payment_failed": "Its payments failed",
    "payment_disputed": "A payment was disputed",
    "erased": "The account was erased",
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
