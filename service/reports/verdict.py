"""What an experiment has shown: pure statistics, and the words for it.

Shares are compared with the control by Newcombe's interval of a difference (1998, his method 10), with 95 %
confidence for all comparisons together (Bonferroni). Whether the shares came out as planned is Pearson's
chi-squared test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, exp, gamma, sqrt
from statistics import NormalDist
from types import MappingProxyType
from typing import Literal

from service.reports.cells import Cell, share, wilson

Verdict = Literal["running", "stopped", "waiting", "uneven", "too_few", "decided"]
Finding = Literal["higher", "lower", "no significant difference"]
VERDICT_WORDS: Mapping[Verdict, str] = MappingProxyType(
    {
        "running": "Running. The verdict follows after the planned end.",
        "stopped": "Stopped before the planned end, so there is no verdict.",
        "waiting": "Completed. The verdict follows when the conversion window of the last participants closes.",
        "uneven": "The split between the variants differs from the plan, so the results aren’t reliable. Look for the "
        "cause first, such as a page that loads in one variant only.",
        "too_few": "The sample is smaller than planned, so there is no verdict.",
        "decided": "Completed with the planned sample size.",
    }
)
_ERROR = 0.05
UNLIKELY = 0.001
"""Shares that come out so unevenly less often than this by chance have another cause."""


@dataclass(frozen=True)
class Tally:
    """What was counted of one variant: distinct holders, those who reached the goal, and of those who began to pay
    (`payers`) how many got money back; how many subscribed so long ago that 30 and 90 days are over, and left in them.
    """

    variant: str
    share: int
    holders: int = 0
    reached: int = 0
    payers: int = 0
    refunded: int = 0
    due_30: int = 0
    left_30: int = 0
    due_90: int = 0
    left_90: int = 0


@dataclass(frozen=True)
class Compared:
    """One variant. `low` and `high` bound the difference of its rate to the control's; None for the control, or
    without cases. `finding` is empty where there is no verdict.
    """

    tally: Tally
    rate: Cell
    low: float | None
    high: float | None
    finding: Finding | Literal[""]
    refunds: Cell
    churn_30: Cell
    churn_90: Cell


@dataclass(frozen=True)
class Result:
    """`p_shares`: how likely shares as uneven as these are by chance; None: nobody took part."""

    verdict: Verdict
    variants: tuple[Compared, ...]
    p_shares: float | None

    @property
    def words(self) -> str:
        return VERDICT_WORDS[self.verdict]

    @property
    def holders(self) -> int:
        return sum(each.tally.holders for each in self.variants)


def result_of(
    tallies: Sequence[Tally], *, size: int, stopped: bool, over: bool, waited: bool
) -> Result:
    """`over`: its planned end has passed; `waited`: so have the days after it. The first tally is the control's."""
    shares = [each.share for each in tallies]
    holders = [each.holders for each in tallies]
    p_shares = p_of_shares(holders, shares) if sum(holders) else None
    verdict: Verdict = "decided"
    if stopped:
        verdict = "stopped"
    elif not over:
        verdict = "running"
    elif not waited:
        verdict = "waiting"
    elif p_shares is not None and p_shares < UNLIKELY:
        verdict = "uneven"
    elif sum(holders) < size:
        verdict = "too_few"
    control, comparisons = tallies[0], len(tallies) - 1
    z = NormalDist().inv_cdf(1 - _ERROR / 2 / max(1, comparisons))
    return Result(
        verdict,
        tuple(_compared(each, control, z, decided=verdict == "decided") for each in tallies),
        p_shares,
    )


def _compared(tally: Tally, control: Tally, z: float, *, decided: bool) -> Compared:
    bounds = None
    if tally is not control and tally.holders and control.holders:
        bounds = newcombe(control.reached, control.holders, tally.reached, tally.holders, z)
    low, high = bounds or (None, None)
    return Compared(
        tally=tally,
        rate=share(tally.reached, tally.holders, of="devices and readers"),
        low=low,
        high=high,
        finding=finding_of(low, high) if decided else "",
        refunds=share(tally.refunded, tally.payers, of="readers who started paying"),
        churn_30=share(tally.left_30, tally.due_30, of="subscribers who started 30 days ago"),
        churn_90=share(tally.left_90, tally.due_90, of="subscribers who started 90 days ago"),
    )


def finding_of(low: float | None, high: float | None) -> Finding | Literal[""]:
    if low is None or high is None:
        return ""
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "no significant difference"


def newcombe(
    part: int, whole: int, other_part: int, other_whole: int, z: float
) -> tuple[float, float]:
    """The interval of other_part/other_whole less part/whole."""
    first, second = part / whole, other_part / other_whole
    (low1, high1), (low2, high2) = wilson(part, whole, z), wilson(other_part, other_whole, z)
    difference = second - first
    low = difference - sqrt((second - low2) ** 2 + (high1 - first) ** 2)
    high = difference + sqrt((high2 - second) ** 2 + (first - low1) ** 2)
    return round(max(-1.0, low), 6), round(min(1.0, high), 6)


def p_of_shares(counts: Sequence[int], shares: Sequence[int]) -> float:
    """How likely counts that differ so much from these shares are by chance."""
    whole, all_shares = sum(counts), sum(shares)
    expected = [whole * each / all_shares for each in shares]
    chi2 = sum((n - e) ** 2 / e for n, e in zip(counts, expected, strict=True))
    return chi2_above(chi2, len(counts) - 1)


def chi2_above(chi2: float, freedom: int) -> float:
    """The chance of a larger value than `chi2` with this many degrees of freedom.

    Of the upper incomplete gamma function, by its recurrence from 1/2 or 1 (DLMF 8.8.2).
    """
    half, order = chi2 / 2, 0.5 if freedom % 2 else 1.0
    above = erfc(sqrt(half)) if freedom % 2 else exp(-half)
    while order < freedom / 2:
        above += half**order * exp(-half) / gamma(order + 1)
        order += 1
    return min(1.0, above)
