"""The figures shown to operators, each with its one definition: pure arithmetic on plain values.

The definitions follow Stripe's billing glossary (reports.md of the design).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from service.billing.recurring import monthly

TRIAL_STATUS = "trialing"


@dataclass(frozen=True)
class Definition:
    """What a figure counts, and what it is divided by; printed wherever the figure is."""

    name: str
    definition: str
    denominator: str


_OF_READERS = "No denominator: a count of readers."
_OF_MONEY = "No denominator: a sum for each currency, never mixed."

ACTIVE_SUBSCRIBERS = Definition(
    name="Active subscribers",
    definition="Distinct readers with a paid subscription that is active or past due. "
    "Trials, comps and gifts don't count, nor does a subscription that is free for ever. "
    "Readers whose collection is paused are counted separately.",
    denominator=_OF_READERS,
)
COLLECTION_PAUSED = Definition(
    name="Collection paused",
    definition="Distinct readers whose paid subscription is active or past due while the collection "
    "of its payments is paused: they have access, and nothing is charged.",
    denominator=_OF_READERS,
)
TRIALS = Definition(
    name="Trials",
    definition="Distinct readers whose subscription is in its trial: nothing is paid yet.",
    denominator=_OF_READERS,
)
OUTSIDE_CATALOGUE = Definition(
    name="Outside the catalogue",
    definition="Distinct readers with a subscription of which Stripe bills something that we don't "
    "sell or don't understand. It is in no other figure; the nightly reconciliation lists it as a difference.",
    denominator=_OF_READERS,
)
MRR = Definition(
    name="MRR",
    definition="Monthly recurring revenue: the amounts of active and past due subscriptions "
    "before tax, without trials and paused collection. Discounts that last for ever reduce it, "
    "others don't. Amounts are normalised to a month (year ÷ 12, week × 52/12, day × 365/12) "
    "and rounded once, half to even.",
    denominator=_OF_MONEY,
)
MRR_AFTER_DISCOUNTS = Definition(
    name="MRR after discounts",
    definition="MRR less every discount while it lasts. A discount on one payment lasts as long as "
    "the period that is paid for.",
    denominator=_OF_MONEY,
)
COMMITTED_MRR = Definition(
    name="Committed MRR",
    definition="MRR without the subscriptions that are scheduled to end. At a past instant: that were "
    "asked to end by then, which wasn't taken back yet.",
    denominator=_OF_MONEY,
)


@dataclass(frozen=True)
class Recurring:
    """An amount in minor units, charged every `interval_count` intervals.

    One subscription's amount, or the sum of many that share the other fields.
    """

    amount: int
    currency: str
    interval: str
    interval_count: int


def monthly_sums(amounts: Iterable[Recurring]) -> dict[str, Fraction]:
    """The month's minor units by currency, exactly."""
    sums: defaultdict[str, Fraction] = defaultdict(Fraction)
    for each in amounts:
        sums[each.currency] += monthly(each.amount, each.interval, each.interval_count)
    return dict(sums)


def total(each: Iterable[Mapping[str, Fraction]]) -> dict[str, Fraction]:
    """All of them together, by currency, exactly."""
    sums: defaultdict[str, Fraction] = defaultdict(Fraction)
    for by_currency in each:
        for currency, amount in by_currency.items():
            sums[currency] += amount
    return dict(sums)


def rounded(sums: Mapping[str, Fraction]) -> dict[str, int]:
    """Minor units by currency, in the currencies' order: rounded half to even, as the last step."""
    # round() of a Fraction is exact and goes half to even.
    return {currency: round(sums[currency]) for currency in sorted(sums)}
