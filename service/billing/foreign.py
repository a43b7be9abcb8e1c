"""Subscriptions on the Stripe account that something else sold, as Stripe's own figures count them: pure."""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from service.billing.recurring import INTERVALS, PAYING_STATUSES, monthly
from service.payments.gateway import StripeSubscription


@dataclass
class Foreign:
    """What they bring in a month by their prices, and how many customers pay for them, by currency."""

    mrr: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    customers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, subscription: StripeSubscription) -> None:
        """Count it, if Stripe counts it: paid, at a fixed amount, and with its collection going on."""
        if subscription.status not in PAYING_STATUSES or subscription.pauses_collection:
            return
        for item in subscription.items:
            price = item.price
            if not price.has_amount or price.interval not in INTERVALS or not price.amount:
                continue
            currency, amount = price.currency.upper(), price.amount * item.quantity
            self.mrr[currency] += monthly(amount, price.interval, price.interval_count)
            self.customers[currency].add(subscription.customer_id)

    def document(self) -> dict[str, dict[str, Any]]:
        """By currency, `mrr` in minor units as an exact fraction, and how many `customers`."""
        return {
            currency: {"mrr": str(amount), "customers": len(self.customers[currency])}
            for currency, amount in sorted(self.mrr.items())
        }
