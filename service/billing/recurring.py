"""What a subscription brings in a month: pure. The definitions are those of Stripe's billing glossary.

Only what is active or past due counts, and neither trials, nor collection that is paused, nor what
is given back since it was bought twice or its intro price was used up. What costs nothing for ever isn't paid.
"""

from dataclasses import dataclass
from fractions import Fraction

from service.billing.discounts import Amounts

PAYING_STATUSES = ("active", "past_due")
GIVEN_BACK = frozenset({"duplicate", "trial_used"})
"""The stops of access of a subscription that is cancelled and whose money goes back: the reader has
another one, or its card has had a trial or an intro price.
"""

_PER_MONTH = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}
"""How often an interval fits into a month."""
INTERVALS = frozenset(_PER_MONTH)


def monthly(amount: int, interval: str, interval_count: int) -> Fraction:
    """What `amount` for every `interval_count` intervals is in a month, exactly."""
    return amount * _PER_MONTH[interval] / interval_count


@dataclass(frozen=True)
class Revenue:
    """What a subscription brings: amounts in minor units for every `interval_count` intervals."""

    plan: str
    currency: str
    interval: str
    interval_count: int
    amounts: Amounts

    @property
    def mrr(self) -> Fraction:
        """The month's amount less the discounts that last for ever, exactly."""
        return monthly(self.amounts.recurring, self.interval, self.interval_count)

    @property
    def net_mrr(self) -> Fraction:
        """The month's amount less all discounts that last now, exactly."""
        return monthly(self.amounts.net, self.interval, self.interval_count)


def is_paid(status: str, recurring: int, access_stop: str) -> bool:
    """Whether a subscription makes its reader an active subscriber, unless collection is paused."""
    return status in PAYING_STATUSES and recurring > 0 and access_stop not in GIVEN_BACK
