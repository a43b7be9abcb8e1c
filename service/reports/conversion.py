"""Totals over currencies at rates that operators enter: pure.

A rate holds from its day until the next one of the pair. A total is there only where every currency has a
rate, and it is added up exactly: only what is shown is rounded.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from service.currencies import decimals
from service.reports.cells import NOT_YET, Cell, Line, none
from service.reports.period import Period


@dataclass(frozen=True)
class Rate:
    """From `day` on one unit of `currency`, such as a euro, is `rate` units of `into`."""

    currency: str
    into: str
    day: date
    rate: Fraction


class Rates:
    """All rates that were entered."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        by_pair: defaultdict[tuple[str, str], list[tuple[date, Fraction]]] = defaultdict(list)
        for each in rates:
            by_pair[each.currency, each.into].append((each.day, each.rate))
        self._by_pair: Mapping[tuple[str, str], list[tuple[date, Fraction]]] = {
            pair: sorted(found) for pair, found in by_pair.items()
        }

    @property
    def targets(self) -> list[str]:
        """The currencies of totals."""
        return sorted({into for _, into in self._by_pair})

    def factor(self, currency: str, into: str, day: date) -> Fraction | None:
        """What a minor unit is in minor units of the other; None: there is no rate on that day."""
        if currency == into:
            return Fraction(1)
        known = self._by_pair.get((currency, into), [])
        place = bisect_right([since for since, _ in known], day)
        if not place:
            return None
        return known[place - 1][1] * Fraction(10) ** (decimals(into) - decimals(currency))


def totals(
    lines: Sequence[Line], period: Period, rates: Rates, today: date, *, adds_up: bool
) -> list[Line]:
    """Of lines in several currencies, or in another one than the total: by target, series and split.

    A step is converted at the rate of its last day, or of today where that is earlier. With `adds_up` the
    period is the sum of its steps, else what its last one is.
    """
    groups: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for each in lines:
        groups[each.series, each.split].append(each)
    found = []
    for into in rates.targets:
        if all(each.currency == into for each in lines):
            continue
        for (series, split), some in groups.items():
            cells = tuple(
                _together(some, number, min(step.last, today), into, rates)
                for number, step in enumerate(period.steps)
            )
            last = _together(some, None, min(period.last, today), into, rates)
            found.append(Line(series, cells, _sum(cells) if adds_up else last, split, into))
    return found


def _together(
    lines: Iterable[Line], step: int | None, day: date, into: str, rates: Rates
) -> Cell:  # fmt: skip
    total = Fraction(0)
    for line in lines:
        cell = line.total if step is None else line.cells[step]
        if cell.value is None:
            return none(cell.why)
        factor = rates.factor(line.currency, into, day)
        if factor is None and cell.value:
            return none(f"There is no rate from {line.currency} to {into} on {day}.")
        total += cell.value * (factor or 0)
    return Cell(total)


def _sum(cells: Sequence[Cell]) -> Cell:
    """Of the steps that have begun."""
    begun = [each for each in cells if each.why != NOT_YET]
    lacking = next((each for each in begun if each.value is None), None)
    if lacking is not None:
        return lacking
    return Cell(sum((Fraction(each.value or 0) for each in begun), Fraction(0)))
