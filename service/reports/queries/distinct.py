"""Distinct holders by step and over the period, from their returns (reports/returns.py)."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import HolderReturn, RolledDay
from service.reports.asked import Asked
from service.reports.cells import Cell, none
from service.reports.queries.counting import Counts
from service.reports.queries.waited import Place
from service.reports.returns import OF_BUYERS, buyers_of, holders_of


@dataclass(frozen=True)
class Distinct:
    """The number of holders by measure. `lost`: why it isn't known of a step, or of the period.

    `new`: by measure and day, who comes on it for the first time in the period.
    """

    counts: dict[str, Counts]
    lost: dict[int | None, str]
    new: dict[str, Counter[date]] = field(default_factory=dict)

    def up_to(self, measure: str, at: Place) -> int:
        """The number in a step, or in the period up to a day."""
        if isinstance(at, int):
            return self.counts[measure][at]
        return sum(number for day, number in self.new[measure].items() if day <= at)

    def known(self, make: Callable[[int | None], Cell]) -> Callable[[int | None], Cell]:
        """The cells that `make` gives, where the number is known."""
        return lambda at: none(self.lost[at]) if at in self.lost else make(at)


async def distinct(session: AsyncSession, asked: Asked, *measures: str) -> Distinct:
    """Of all days of the period up to today."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    rolled = {
        row.day: row
        for row in await session.execute(
            select(RolledDay.day, RolledDay.counted_on, RolledDay.looked_back_to).where(
                RolledDay.day >= first, RolledDay.day <= last
            )
        )
    }
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    added_up = [day for day in days if day in rolled and rolled[day].counted_on is None]
    from_rows = [day for day in days if day not in rolled]
    live = await holders_of(session, asked.home, added_up, from_rows)
    # They are found by reading all checkouts of those days.
    if not set(OF_BUYERS).isdisjoint(measures):
        live += await buyers_of(session, asked.home, {*added_up, *from_rows})
    counts: dict[str, Counts] = defaultdict(lambda: defaultdict(int))
    new: dict[str, Counter[date]] = defaultdict(Counter)
    for measure, day, is_first, number in await _counted(session, asked, measures):
        counts[measure][asked.step_of(day)] += number
        new[measure][day] += number if is_first else 0
    for (measure, day, previous), number in live.items():
        step = asked.step_of(day)
        if asked.step_of(previous) < step:
            counts[measure][step] += number
        if previous < first:
            new[measure][day] += number
    for measure, by_day in new.items():
        counts[measure][None] = by_day.total()
    looked = {day: row.looked_back_to for day, row in rolled.items() if row.looked_back_to}
    return Distinct(counts, await _lost(session, asked, looked), new)


async def _counted(
    session: AsyncSession, asked: Asked, measures: tuple[str, ...]
) -> list[tuple[str, date, bool, int]]:
    """Measure, day, whether they come for the first time in the period, and how many: first ones of a step."""
    row = HolderReturn
    step, before = asked.step_on(row.day.expression), asked.step_on(row.previous.expression)
    # A day that is being added up anew is counted from its rows.
    counted = select(RolledDay.day).where(RolledDay.counted_on.is_not(None))
    rows = (
        select(
            row.measure, row.day, step.label("step"), before.label("before"),
            (row.previous < asked.period.first).label("is_first"), row.holders,
        )
        .where(
            row.measure.in_(measures), row.day >= asked.period.first,
            row.day <= asked.period.last, row.day.in_(counted),
        )
        .subquery("returns")
    )  # fmt: skip
    grouping = (rows.c.measure, rows.c.day, rows.c.is_first)
    found = await session.execute(
        select(*grouping, func.sum(rows.c.holders))
        .where(rows.c.before < rows.c.step)
        .group_by(*grouping)
    )
    return [(measure, day, bool(new), int(number)) for measure, day, new, number in found]


async def _lost(
    session: AsyncSession, asked: Asked, looked: dict[date, date]
) -> dict[int | None, str]:
    """Where days of holders had been deleted before the step's were counted.

    Days before anybody read lost nobody, whenever they were counted.
    """
    begun = await session.scalar(select(func.min(RolledDay.day)).where(RolledDay.rows > 0))
    lost: dict[int | None, str] = {}
    if begun is None:
        return lost
    read = {day: back for day, back in looked.items() if day >= begun}
    for at, step in ((None, asked.period.whole), *enumerate(asked.period.steps)):
        since = max(
            (back for day, back in read.items() if step.first <= day <= step.last), default=None
        )
        if since is not None and since > max(step.first, begun):
            lost[at] = f"Who came before {since} isn't known any more: begin on that day or later."
    return lost
