"""What a figure is: its meaning, its series, how it adds up over time, and its query."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.reports.asked import Asked
from service.reports.cells import NOT_YET, Cell, Line, Unit, line_of, none
from service.reports.metrics import Definition
from service.reports.period import NotAsked

Subject = Literal["Subscribers", "Money", "Leaving", "Readers", "Articles", "Meter"]
OverTime = Literal["end", "sum", "mixed", "own"]
OVER_TIME_WORDS: Mapping[OverTime, str] = MappingProxyType({
    "end": "The value at the end of each step; of the period, at its end.",
    "sum": "The steps add up to the period.",
    "mixed": "Changes add up; start and end are those of the step, or of the period.",
    "own": "Counted for each step and for the period by itself: the steps don't add up.",
})  # fmt: skip
Query = Callable[[AsyncSession, Asked], Awaitable[list[Line]]]


@dataclass(frozen=True)
class Series:
    """One part of a figure: its key in answers, and its words."""

    key: str
    words: str
    unit: Unit


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
    by_day: bool = False
    """Whether it is of days in the publication's zone, and of no other."""
    is_heat_map: bool = False
    """Whether its table is the picture: a row a line, the darker the higher."""
    is_ranked: bool = False
    """Whether the query puts its splits in order, the first the most important."""

    @property
    def unit(self) -> Unit:
        return self.series[0].unit

    def series_of(self, line: Line) -> Series:
        return next(each for each in self.series if each.key == line.series)

    async def lines(self, session: AsyncSession, asked: Asked) -> list[Line]:
        """The figure as it is asked for, in the order of its series. Raises NotAsked."""
        for field, name in (("split", asked.split), *((each, each) for each in asked.chosen)):
            if name and name not in self.splits:
                known = ", ".join(self.splits) or "nothing"
                raise NotAsked(field, f"{self.meaning.name} can be split and filtered by {known}.")
        if self.by_day and asked.period.zone.key != asked.home.key:
            why = f"It is counted by days of {asked.home.key}: choose that zone."
            return [line_of(lambda _: none(why), asked.steps, each.key) for each in self.series]
        place = {each.key: number for number, each in enumerate(self.series)}
        found = await self.query(session, asked)
        if not self.is_ranked:
            found.sort(key=lambda each: (each.currency, each.split, place[each.series]))
        begun = [each.since <= asked.now for each in asked.period.steps]
        if all(begun):
            return found
        return [_without_future(line, begun) for line in found]


def _without_future(line: Line, begun: list[bool]) -> Line:
    cells = tuple(
        cell if is_begun else Cell(None, NOT_YET)
        for cell, is_begun in zip(line.cells, begun, strict=True)
    )
    return replace(line, cells=cells, total=line.total if any(begun) else Cell(None, NOT_YET))
