"""The figures shown to operators, each with its one definition: pure arithmetic on plain values.

The definitions follow Stripe's billing glossary (reports.md of the design).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

PAYING_STATUSES = ("active", "past_due")
TRIAL_STATUS = "trialing"

_MONTHS = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}
"""How often an interval fits into a month."""


@dataclass(frozen=True)
class Definition:
    """What a figure counts, and what it is divided by; printed wherever the figure is."""

    name: str
    definition: str
    denominator: str


ACTIVE_SUBSCRIBERS = Definition(
    name="Active subscribers",
    definition="Distinct readers with a paid subscription that is active or past due. "
    "Trials, comps and gifts don't count.",
    denominator="Not divided by anything: a count of readers.",
)
TRIALS = Definition(
    name="Trials",
    definition="Distinct readers whose subscription is in its trial: nothing is paid yet.",
    denominator="Not divided by anything: a count of readers.",
)
MRR = Definition(
    name="MRR",
    definition="Monthly recurring revenue: the amounts of active and past due subscriptions "
    "before tax, without trials, normalised to a month (year ÷ 12, week × 52/12, day × 365/12) "
    "and rounded once, half to even.",
    denominator="Not divided by anything: a sum for each currency, never mixed.",
)


@dataclass(frozen=True)
class Recurring:
    """An amount in minor units, charged every `interval_count` intervals.

    One subscription's amount, or the sum of many that share the other fields.
    """

    status: str
    amount: int
    currency: str
    interval: str
    interval_count: int


def is_paying(status: str, amount: int) -> bool:
    """Whether a subscription makes its reader an active subscriber."""
    return status in PAYING_STATUSES and amount > 0


def monthly(recurring: Recurring) -> Fraction:
    """The amount of one month, exactly."""
    return recurring.amount * _MONTHS[recurring.interval] / recurring.interval_count


def mrr(subscriptions: Iterable[Recurring]) -> dict[str, int]:
    """Minor units by currency, in the currencies' order. Empty where nobody pays."""
    sums: defaultdict[str, Fraction] = defaultdict(Fraction)
    for recurring in subscriptions:
        if is_paying(recurring.status, recurring.amount):
            sums[recurring.currency] += monthly(recurring)
    # round() of a Fraction is exact and goes half to even.
    return {currency: round(sums[currency]) for currency in sorted(sums)}
