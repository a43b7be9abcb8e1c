"""Subscriptions on the Stripe account that something else sold, as Stripe's own figures count them: pure."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from service.billing.recurring import INTERVALS, PAYING_STATUSES, monthly
from service.payments.gateway import StripeSubscription

ALL = ""
"""The key of what customers of any currency are together."""


@dataclass
class Foreign:
    """What they bring in a month by their prices, and how many customers pay for them, by currency."""

    mrr: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    customers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    counted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Who pays for something of ours, too, and is counted for that."""

    def add(self, subscription: StripeSubscription) -> None:
        """Count it, if Stripe counts it: paid, at a fixed amount, and with its collection going on."""
        for currency, amount in _paid(subscription):
            self.mrr[currency] += amount
            self.customers[currency].add(subscription.customer_id)

    def add_ours(self, subscription: StripeSubscription) -> None:
        """Note who pays for it: Stripe counts a customer once."""
        for currency, _ in _paid(subscription):
            self.counted[currency].add(subscription.customer_id)

    def document(self) -> dict[str, dict[str, Any]]:
        """By currency, `mrr` in minor units as an exact fraction, and how many `customers`.

        Under an empty currency: how many of all currencies.
        """
        found: dict[str, dict[str, Any]] = {
            currency: {"mrr": str(amount), "customers": len(self.customers[currency] - self.counted[currency])}
            for currency, amount in sorted(self.mrr.items())
        }  # fmt: skip
        if found:
            every = set().union(*self.customers.values()) - set().union(*self.counted.values())
            found[ALL] = {"mrr": "0", "customers": len(every)}
        return found


def _paid(subscription: StripeSubscription) -> Iterator[tuple[str, Fraction]]:
    """Each item's currency and MRR."""
    if subscription.status not in PAYING_STATUSES or subscription.pauses_collection:
        return
    for item in subscription.items:
        price = item.price
        if price.has_amount and price.interval in INTERVALS and price.amount:
            amount = monthly(price.amount * item.quantity, price.interval, price.interval_count)
            yield price.currency.upper(), amount
