"""Stripe's own figure beside ours, and what explains the difference: pure.

Stripe counts by settings of the account (its page "Configure" under Billing): which coupons are
deducted from MRR, whether a subscription is lost when it is cancelled or when its period ends, and whether it
counts from its start or from its first payment. It also counts what we don't sell. What we know of each of
these is a part.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType
from typing import Literal

Counted = Literal["mrr", "active-subscribers"]
Discounts = Literal["forever", "none", "recurring", "all"]
Churn = Literal["period_end", "cancelled"]
Start = Literal["subscription", "first_payment"]
Cause = Literal[
    "discounts", "churn", "start", "outside", "given_back", "unbound", "foreign",
    "paused", "trials", "free",
]  # fmt: skip
COUNTED_BY_STRIPE: tuple[Cause, ...] = ("outside", "given_back", "unbound", "foreign")
"""Which Stripe counts and we don't, whatever its settings are."""
PERHAPS: tuple[Cause, ...] = ("paused", "trials", "free")
"""Which Stripe doesn't count by its definitions, as far as they say."""
_IN_ORDER = (*COUNTED_BY_STRIPE, *PERHAPS)
_FOR_NOTHING: Cause = "free"
CAUSE_WORDS: Mapping[Cause, str] = MappingProxyType({
    "discounts": "Discounts, by Stripe’s setting",
    "churn": "Scheduled to end, which Stripe counts as lost",
    "start": "Not paid yet for the first time",
    "outside": "Prices outside the catalogue, of your readers",
    "given_back": "Bought twice or against the rules, and being given back",
    "unbound": "Subscriptions without a reader",
    "foreign": "Sold by something else on the account",
    "paused": "Collection paused",
    "trials": "Trials",
    _FOR_NOTHING: "Free for ever (100 % off)",
})  # fmt: skip


@dataclass(frozen=True)
class StripeSettings:
    """How the account counts; as it stands here, Stripe counts as we do."""

    discounts: Discounts = "forever"
    """Which coupons are taken off MRR: those that last for ever, none, those that recur, or all."""
    churn: Churn = "period_end"
    start: Start = "subscription"


@dataclass(frozen=True)
class Group:
    """Subscriptions that we count, alike in what the settings ask; minor units a month, exactly."""

    is_scheduled: bool
    is_unpaid: bool
    listed: Fraction
    recurring: Fraction
    repeated: Fraction
    """Less the discounts that last for ever or for several months."""
    net: Fraction

    def by(self, discounts: Discounts) -> Fraction:
        amounts: Mapping[Discounts, Fraction] = {
            "none": self.listed, "forever": self.recurring, "recurring": self.repeated,
            "all": self.net,
        }  # fmt: skip
        return amounts[discounts]


@dataclass(frozen=True)
class Readers:
    """A number of readers with alike subscriptions.

    `counted` says for which ways of counting they are active: (without those scheduled to end, without
    those unpaid). `others` are what else they have.
    """

    number: int
    counted: frozenset[tuple[bool, bool]]
    others: frozenset[Cause] = frozenset()


@dataclass(frozen=True)
class Part:
    """What a cause makes Stripe's figure higher, or lower, than ours; None: nobody knows."""

    cause: Cause
    amount: int | None


@dataclass(frozen=True)
class Agreement:
    """`parts` explain the difference; `perhaps` is what Stripe might count although it says it doesn't."""

    ours: int
    parts: tuple[Part, ...]
    perhaps: tuple[Part, ...]

    def rest_of(self, stripes: int) -> int:
        """What of the difference no part explains."""
        return stripes - self.ours - sum(each.amount or 0 for each in self.parts)

    def guesses_of(self, stripes: int) -> tuple[Cause, ...]:
        """The fewest of `perhaps` that are exactly the rest; none: it isn't them."""
        rest = self.rest_of(stripes)
        known = [each for each in self.perhaps if each.amount]
        for size in range(1, len(known) + 1):
            for some in combinations(known, size):
                if rest and sum(each.amount or 0 for each in some) == rest:
                    return tuple(each.cause for each in some)
        return ()


Beyond = Mapping[Cause, Fraction | int | None]
"""What subscriptions that we don't count bring, by cause; None: nobody knows."""


def of_money(groups: Iterable[Group], beyond: Beyond, settings: StripeSettings) -> Agreement:
    """MRR of one currency."""
    every = list(groups)

    def total(some: Iterable[Group], discounts: Discounts = settings.discounts) -> Fraction:
        return sum((each.by(discounts) for each in some), Fraction(0))

    kept = [each for each in every if settings.churn == "period_end" or not each.is_scheduled]
    paid = [each for each in kept if settings.start == "subscription" or not each.is_unpaid]
    ours = total(every, "forever")
    changes: dict[Cause, Fraction | int | None] = {
        "discounts": total(every) - ours,
        "churn": total(kept) - total(every),
        "start": total(paid) - total(kept),
        **{cause: beyond.get(cause, 0) for cause in COUNTED_BY_STRIPE},
    }
    return _agreement(ours, changes, beyond)


def of_readers(
    groups: Sequence[Readers], beyond: Beyond, settings: StripeSettings
) -> Agreement:  # fmt: skip
    """Active subscribers; `beyond` are customers who are no readers."""
    without_scheduled = settings.churn == "cancelled"
    way = (without_scheduled, settings.start == "first_payment")

    def number(counted: tuple[bool, bool]) -> int:
        return sum(each.number for each in groups if counted in each.counted)

    def more(cause: Cause) -> int:
        """Whom Stripe counts for several causes is counted once, for the first of them."""
        return sum(
            each.number for each in groups
            if way not in each.counted and next((c for c in _IN_ORDER if c in each.others), None) == cause
        )  # fmt: skip

    ours, kept = number((False, False)), number((without_scheduled, False))
    changes: dict[Cause, Fraction | int | None] = {
        "churn": kept - ours,
        "start": number(way) - kept,
        "outside": more("outside"),
        "given_back": more("given_back"),
        "unbound": beyond.get("unbound", 0),
        "foreign": beyond.get("foreign", 0),
    }
    return _agreement(Fraction(ours), changes, {cause: more(cause) for cause in PERHAPS})


def _agreement(
    ours: Fraction, changes: Mapping[Cause, Fraction | int | None], perhaps: Beyond
) -> Agreement:
    """Each step of the running total is rounded, so that the parts add up to what is expected exactly."""
    running, parts = ours, []
    for cause, change in changes.items():
        if change is None:
            parts.append(Part(cause, None))
            continue
        after = running + change
        parts.append(Part(cause, round(after) - round(running)))
        running = after
    return Agreement(
        round(ours),
        tuple(each for each in parts if each.amount != 0),
        tuple(Part(cause, round(perhaps.get(cause) or 0)) for cause in PERHAPS),
    )
