"""The statistics of experiments, against published values, and when there is a verdict."""

from typing import Any

import pytest

from service.reports.verdict import Tally, chi2_above, newcombe, p_of_shares, result_of


@pytest.mark.parametrize(
    ("chi2", "freedom", "p"),
    [(3.841, 1, 0.05), (10.828, 1, 0.001), (5.991, 2, 0.05), (7.815, 3, 0.05), (20.515, 5, 0.001), (0, 1, 1)],
)  # fmt: skip
def test_chi_squared_by_the_printed_tables(chi2: float, freedom: int, p: float) -> None:
    assert chi2_above(chi2, freedom) == pytest.approx(p, rel=0.001)


@pytest.mark.parametrize(
    ("first", "second", "bounds"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 873: table II, method 10.
        ((48, 80), (56, 70), (0.0524, 0.3339)),
        ((3, 10), (9, 10), (0.1705, 0.8090)),
        ((2, 7), (6, 7), (0.0582, 0.8062)),
        ((0, 29), (5, 56), (-0.0381, 0.1926)),
        ((0, 10), (10, 10), (0.6075, 1.0)),
    ],
)
def test_the_interval_of_a_difference(
    first: tuple[int, int], second: tuple[int, int], bounds: tuple[float, float]
) -> None:
    assert newcombe(*first, *second, 1.959964) == pytest.approx(bounds, abs=0.0006)


@pytest.mark.parametrize(
    ("counts", "shares", "is_uneven"),
    [
        ([5000, 5100], [50, 50], False),
        ([5000, 5500], [50, 50], True),
        ([1000, 9000], [10, 90], False),
        ([821_588, 815_482], [50, 50], True),
        ([100, 105, 95], [34, 33, 33], False),
    ],
)
def test_shares_that_did_not_come_out_are_found(
    counts: list[int], shares: list[int], is_uneven: bool
) -> None:
    assert (p_of_shares(counts, shares) < 0.001) is is_uneven


DECIDED: dict[str, Any] = {"size": 2000, "stopped": False, "over": True, "waited": True}


@pytest.mark.parametrize(
    ("holders", "reached", "when", "verdict", "finding"),
    [
        ((1000, 1000), (20, 45), {}, "decided", "higher"),
        ((1000, 1000), (45, 20), {}, "decided", "lower"),
        ((1000, 1000), (20, 25), {}, "decided", "no significant difference"),
        ((1000, 1000), (20, 45), {"over": False, "waited": False}, "running", ""),
        ((1000, 1000), (20, 45), {"waited": False}, "waiting", ""),
        ((1000, 1000), (20, 45), {"stopped": True}, "stopped", ""),
        ((999, 1000), (20, 45), {}, "too_few", ""),
        ((1000, 1300), (20, 45), {}, "uneven", ""),
        ((0, 0), (0, 0), {}, "too_few", ""),
    ],
)
def test_a_verdict_needs_the_planned_end_and_size(
    holders: tuple[int, int], reached: tuple[int, int], when: dict[str, Any], verdict: str, finding: str
) -> None:  # fmt: skip
    tallies = [
        Tally(name, 50, holders=met, reached=goal)
        for name, met, goal in zip("ab", holders, reached, strict=True)
    ]
    found = result_of(tallies, **{**DECIDED, **when})
    assert (found.verdict, found.variants[0].finding, found.variants[1].finding) == (
        verdict, "", finding,
    )  # fmt: skip


def test_several_variants_need_more_to_differ() -> None:
    two = [Tally("a", 50, 1000, 20), Tally("b", 50, 1000, 35)]
    four = [*two, Tally("c", 50, 1000, 20), Tally("d", 50, 1000, 20)]
    assert result_of(two, **DECIDED).variants[1].finding == "higher"
    assert result_of(four, **DECIDED).variants[1].finding == "no significant difference"


def test_guardrails_say_what_they_are_made_of() -> None:
    tally = Tally(
        "a", 50, 100, 40, payers=40, refunded=4, due_30=30, left_30=6, due_90=5, left_90=5
    )
    (found,) = result_of([tally], **DECIDED).variants
    assert found.refunds.value == pytest.approx(0.1)
    assert found.churn_30.value == pytest.approx(0.2)
    assert (found.churn_90.value, found.churn_90.part, found.churn_90.whole) == (None, 5, 5)
