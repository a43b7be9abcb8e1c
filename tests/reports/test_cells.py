"""Values of figures: shares, their intervals, the reasons for none, and rounding."""

from fractions import Fraction

import pytest

from service.reports.cells import Number, Unit, ratio, share, shown, wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # By hand, of 0 of 20: (z²/40 ∓ z·√(z²/1600)) ÷ (1 + z²/20) = (0.0960 ∓ 0.0960) ÷ 1.1921.
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
        # Half of 100: 0.5 ∓ z·√(0.25/100 + z²/40000) ÷ (1 + z²/100) = 0.5 ∓ 0.0999 ÷ 1.0384.
        (50, 100, 0.4038, 0.5962),
        # 81 of 263, an example of Newcombe (Statistics in Medicine 17, 1998, table I).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    found = wilson(part, whole)
    assert found == pytest.approx((low, high), abs=0.00005)
    assert found[0] <= part / whole <= found[1]


def test_a_share_of_few_cases_is_none_and_says_why() -> None:
    assert share(0, 0, of="trials").why == "There are no trials to divide by."
    few = share(7, 19, of="trials")
    assert (few.value, few.part, few.whole) == (None, 7, 19)
    assert few.why == "There are only 19 trials: fewer than 20."
    assert share(1, 1, of="trials").why == "There is only 1 of the trials: fewer than 20."
    enough = share(7, 20, of="trials")
    assert (enough.value, enough.why) == (Fraction(7, 20), "")
    assert enough.low is not None
    many = share(7, 1000, of="trials")
    assert (many.value, many.low) == (Fraction(7, 1000), None)


def test_a_quotient_needs_something_to_divide_by() -> None:
    assert ratio(5, 0, of="lost MRR").why == "There is no lost MRR to divide by."
    assert ratio(Fraction(1, 3), Fraction(2, 3), of="MRR").value == Fraction(1, 2)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (Fraction(5, 2), "money", 2),
        (Fraction(7, 2), "money", 4),
        (Fraction(-5, 2), "money", -2),
        (10**18 + 1, "money", 10**18 + 1),
        (Fraction(1, 3), "percent", 0.333333),
        (Fraction(7, 3), "times", 2.3333),
        (Fraction(7, 3), "days", 2.33),
        (None, "money", None),
    ],
)
def test_values_are_rounded_once_half_to_even(
    value: Number | None, unit: Unit, expected: float | None
) -> None:
    assert shown(value, unit) == expected
