"""What a figure is: its meaning, its series, how it adds up over time, and its query."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.reports.asked import Asked
from service.reports.cells import NOT_YET, SAMPLE, Cell, Line, Unit, line_of, none
from service.reports.dimension_words import WORDS
from service.reports.listed import Listing
from service.reports.metrics import Definition
from service.reports.period import NotAsked

Subject = Literal["Subscribers", "Money", "Leaving", "Readers", "Articles", "Meter"]
OverTime = Literal["end", "sum", "mixed", "own"]
OVER_TIME_WORDS: Mapping[OverTime, str] = MappingProxyType({
    "end": "Each value is the level at the end of its interval.",
    "sum": "The intervals add up to the period.",
    "mixed": "Changes add up over the period. Start and end are levels.",
    "own": "Calculated separately for each interval and for the period: the intervals don't add up.",
})  # fmt: skip
MOST_VALUES = 100
"""Of a split: those with most."""
_NO_SHARE = Cell(None, "There was nothing to divide by.", 0, 0)
_NO_ROWS: Mapping[Unit, Cell] = MappingProxyType({
    "count": Cell(0), "readers": Cell(0), "percent": _NO_SHARE, "times": _NO_SHARE, "days": _NO_SHARE,
})  # fmt: skip
Query = Callable[[AsyncSession, Asked], Awaitable[list[Line]]]


@dataclass(frozen=True)
class Series:
    """One part of a figure: its key in answers, and its words."""

    key: str
    words: str
    unit: Unit


@dataclass(frozen=True)
class Parts:
    """Series that don't overlap, so that a chart may stack them. `of`: the series of their sum, if there is one."""

    keys: tuple[str, ...]
    of: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure. `version` grows when its definition changes."""

    slug: str
    subject: Subject
    meaning: Definition
    series: tuple[Series, ...]
    over_time: OverTime
    splits: tuple[str, ...]
    query: Query
    source: str
    """The rows it is computed from."""
    version: int = 1
    filters: tuple[str, ...] = ()
    """What it can be filtered by, beside its splits."""
    by_day: bool = False
    """Whether it is of days in the publication's zone, and of no other."""
    is_heat_map: bool = False
    """Whether its table is the picture: a row a line, the darker the higher."""
    is_sum_of_money: bool = False
    """Whether its currencies may be added up, once they are converted."""
    is_ranked: bool = False
    """Whether the query puts its splits in order, the first the most important."""
    apart: str = ""
    """What its lines are told apart by, without being asked."""
    rows: str = "Series"
    """What each row of it is, where nobody asked to tell it apart."""
    parts: tuple[Parts, ...] = ()
    """Which of its series add up to something. Any other may be a part of another, or of another whole."""
    overlapping: tuple[str, ...] = ()
    """Splits in whose values the same thing counts more than once."""
    listing: Listing | None = None
    """The rows behind its values, each with its reader."""
    nameless: Mapping[str, str] = field(default_factory=dict)
    """Why series that count readers or things have no rows to show."""

    @property
    def unit(self) -> Unit:
        return self.series[0].unit

    @property
    def all_filters(self) -> tuple[str, ...]:
        return (*self.splits, *self.filters)

    def series_of(self, line: Line) -> Series:
        return next(each for each in self.series if each.key == line.series)

    def check(self, asked: Asked) -> None:
        """Raises NotAsked where it has no such split or filter."""
        if asked.split and asked.split not in self.splits:
            raise self._not_asked("split", "broken down", self.splits)
        for name in asked.chosen:
            if name not in self.all_filters:
                raise self._not_asked(name, "filtered", self.all_filters)

    async def lines(self, session: AsyncSession, asked: Asked) -> list[Line]:
        """The figure as it is asked for, in the order of its series. Raises NotAsked."""
        self.check(asked)
        if self.by_day and asked.period.zone.key != asked.home.key:
            why = f"This figure uses days in {asked.home.key}: choose that time zone."
            return [line_of(lambda _: none(why), asked.steps, each.key) for each in self.series]
        place = {each.key: number for number, each in enumerate(self.series)}
        found = await self.query(session, asked)
        if not asked.split:
            found = [*found, *self._without_rows(found, asked.steps)]
        if not self.is_heat_map:
            found = _largest(found)
        if not self.is_ranked:
            found.sort(key=lambda each: (each.currency, each.split, place[each.series]))
        begun = [each.since <= asked.now for each in asked.period.steps]
        if all(begun):
            return found
        return [_without_future(line, begun) for line in found]

    def _without_rows(self, found: list[Line], steps: int) -> list[Line]:
        """A line of each series that has none: 0, or no value where it is no number of things.

        Without a currency there is no money, and of articles or cohorts there are only those that there were.
        """
        if self.is_ranked or self.is_heat_map:
            return []
        known = {SAMPLE, *(each.series for each in found)}
        missing = [each for each in self.series if each.key not in known and each.unit in _NO_ROWS]
        return [line_of(partial(_same, _NO_ROWS[each.unit]), steps, each.key) for each in missing]

    def _not_asked(self, field: str, verb: str, known: tuple[str, ...]) -> NotAsked:
        by = ", ".join(WORDS[each].lower() for each in known) or "nothing"
        return NotAsked(field, f"{self.meaning.name} can be {verb} by {by}.")


def _same(cell: Cell, _: int | None) -> Cell:
    return cell


def _largest(found: list[Line]) -> list[Line]:
    """The lines of the values of a split with most; what leads readers here is anybody's to write."""
    sizes: defaultdict[str, Fraction] = defaultdict(Fraction)
    for each in found:
        known = (each.total.value, each.total.whole)
        sizes[each.split] += sum(Fraction(value) for value in known if value is not None)
    if len(sizes) <= MOST_VALUES:
        return found
    kept = set(sorted(sizes, key=lambda split: (-sizes[split], split))[:MOST_VALUES])
    return [each for each in found if each.split in kept]


def _without_future(line: Line, begun: list[bool]) -> Line:
    cells = tuple(
        cell if is_begun else Cell(None, NOT_YET)
        for cell, is_begun in zip(line.cells, begun, strict=True)
    )
    return replace(line, cells=cells, total=line.total if any(begun) else Cell(None, NOT_YET))
