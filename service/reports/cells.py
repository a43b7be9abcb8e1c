"""The values of a figure: numbers with what they are made of, or why there is none: pure.

Every sum is exact until it is shown; `shown` rounds once, half to even.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Literal

Unit = Literal["readers", "count", "money", "percent", "times", "days"]
Number = int | Fraction

FEWEST_CASES = 20
"""A share of fewer cases says nothing."""
SMALL = 1_000
"""A share of fewer cases than these comes with its interval: of more it is within three points."""
SAMPLE = "sample"
"""The series that says how large a sample is, where one was taken."""
NOT_YET = "This interval hasn't started."
_Z = 1.959963984540054
"""Of 95 %: the two-sided quantile of the normal distribution."""
_DIGITS: Mapping[Unit, int] = {"percent": 6, "times": 4, "days": 2}


@dataclass(frozen=True)
class Cell:
    """One value. None: there is none, and `why` says the reason.

    `part` and `whole` are what a share is made of. `low` and `high` bound it with 95 % confidence.
    `among` says of whom it is, where that isn't everybody in the period.
    """

    value: Number | None
    why: str = ""
    part: Number | None = None
    whole: Number | None = None
    low: float | None = None
    high: float | None = None
    among: str = ""


@dataclass(frozen=True)
class Line:
    """One series: a cell for each step of the period, and `total` for the period as a whole.

    `series` is which part of the figure it is, `split` the value by which it was split, and
    `currency` is empty where the figure isn't money.
    """

    series: str
    cells: tuple[Cell, ...]
    total: Cell
    split: str = ""
    currency: str = ""
    article: str = ""
    """The slug of the article that `split` names, if it is one."""


def none(why: str) -> Cell:
    return Cell(None, why)


def share(part: int, whole: int, *, of: str) -> Cell:
    """A share of counted cases; `of` says what the cases are, for where there are too few."""
    if whole == 0:
        return Cell(None, f"There are no {of} to divide by.", part, whole)
    if whole < FEWEST_CASES:
        there = f"There are only {whole}" if whole > 1 else "There is only 1 of the"
        return Cell(None, f"{there} {of}: fewer than {FEWEST_CASES}.", part, whole)
    low, high = wilson(part, whole) if whole < SMALL and 0 <= part <= whole else (None, None)
    return Cell(Fraction(part, whole), "", part, whole, low, high)


def ratio(part: Number, whole: Number, *, of: str) -> Cell:
    """A quotient of sums, such as of money; `of` says what it is divided by."""
    if whole <= 0:
        return Cell(None, f"There is no {of} to divide by.", part, whole)
    return Cell(Fraction(part) / Fraction(whole), "", part, whole)


def wilson(part: int, whole: int, z: float = _Z) -> tuple[float, float]:
    """The interval of a share with 95 % confidence (Wilson 1927), which holds for small counts too.

    `z` is the quantile of another confidence.
    """
    p, z2 = part / whole, z * z
    middle = p + z2 / (2 * whole)
    margin = z * sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole))
    below = 1 + z2 / whole
    low, high = (middle - margin) / below, (middle + margin) / below
    return round(max(0.0, low), 6), round(min(1.0, high), 6)


def shown(value: Number | None, unit: Unit) -> int | float | None:
    """The value as it is answered: rounded once, half to even; shares as a fraction of 1."""
    if value is None:
        return None
    digits = _DIGITS.get(unit)
    if digits is None:
        return round(Fraction(value))
    return float(round(Fraction(value), digits))


def line_of(
    make: Callable[[int | None], Cell],
    steps: int,
    series: str,
    *,
    split: str = "",
    currency: str = "",
    article: str = "",
) -> Line:
    """A line whose cells `make` gives: for each step by its number, and for the whole by None."""
    return Line(
        series, tuple(make(each) for each in range(steps)), make(None), split, currency, article
    )
