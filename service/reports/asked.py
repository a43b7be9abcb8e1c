"""What is asked of a figure: the period, a split and filters; and how SQL sorts rows into steps."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, literal

from service.db.base import UtcDateTime
from service.reports.period import Period
from service.reports.tallies import BEFORE

Dimensions = Mapping[str, ColumnElement[Any]]
"""By what rows can be split and filtered: the column of each name."""


@dataclass(frozen=True)
class Asked:
    """`now` is business time, `home` the publication's zone, in which the ledger has its days.

    `split` is empty or the name of a dimension, `chosen` the value that each filtered one must have.
    """

    period: Period
    now: datetime
    home: ZoneInfo
    split: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return len(self.period.steps)

    @property
    def since(self) -> datetime:
        return self.period.whole.since

    @property
    def until(self) -> datetime:
        return self.period.whole.until

    @property
    def today(self) -> date:
        """The publication's day."""
        return self.now.astimezone(self.home).date()

    def among(self, names: Collection[str]) -> "Asked":
        """The same with a split and filters of these dimensions alone: rows that know no others."""
        return replace(
            self,
            split=self.split if self.split in names else "",
            chosen={name: value for name, value in self.chosen.items() if name in names},
        )

    def split_of(self, dimensions: Dimensions) -> ColumnElement[str]:
        """The column to split by; the same text for all rows where nothing is split."""
        return dimensions[self.split] if self.split else literal("")

    def filters(self, dimensions: Dimensions) -> list[ColumnElement[bool]]:
        return [dimensions[name] == value for name, value in self.chosen.items()]

    def step_of(self, day: date) -> int:
        """The number of the step that a day is in, or BEFORE. Leave out what comes later."""
        return bisect_right(self._firsts, day) - 1

    @cached_property
    def _firsts(self) -> list[date]:
        return [each.first for each in self.period.steps]

    def step_at(self, at: ColumnElement[datetime]) -> ColumnElement[int]:
        """The number of the step that an instant is in, or BEFORE. Leave out what comes later."""
        return _sorted_in(at, [literal(each.since, UtcDateTime()) for each in self.period.steps])

    def step_on(self, day: ColumnElement[date]) -> ColumnElement[int]:
        """The same for a day."""
        return _sorted_in(day, [literal(each.first) for each in self.period.steps])


def _sorted_in(
    value: ColumnElement[Any], starts: Sequence[ColumnElement[Any]]
) -> ColumnElement[int]:
    """The number of the last start that isn't after the value: a search by halves, in CASE.

    Either database knows it, and 400 steps take nine comparisons a row.
    """

    def among(low: int, high: int) -> ColumnElement[int]:
        if high - low == 1:
            return literal(low)
        middle = (low + high) // 2
        return case((value < starts[middle], among(low, middle)), else_=among(middle, high))

    return case((value < starts[0], literal(BEFORE)), else_=among(0, len(starts)))
