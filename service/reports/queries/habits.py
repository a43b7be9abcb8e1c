"""Figures of those who read: how many days subscribers come, and the way import asyncio
from a read to a payment.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Checkout, Reader
from service.metering.store import READER
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, ratio, share
from service.reports.queries.counting import WHOLE, Counts
from service.reports.queries.ledger import by_holder
from service.reports.queries.movement_rows import stays
from service.reports.queries.walls import holders_met
from service.reports.tallies import Stay

WINDOW = 30
"""Days."""
_ACTIVE = "active subscribers"
_LONGEST_WINDOW = 2 * WINDOW


async def active_days(session: AsyncSession, asked: Asked) -> list[Line]:
    """On how many of the last 30 days active subscribers read; who slept, and who comes less."""
    read = await _days_read(session, asked)
    stayed = await _stays_of_readers(session, asked)

    def of(at: int | None) -> tuple[int, int, int, int]:
        """Active readers, their days with a read, those with none, those who come less."""
        until, last = _end(asked, at)
        people = days = asleep = less = 0
        for reader in {each for each, stay in stayed if _is_active(stay, until)}:
            lately = _within(read.get(reader, []), last, WINDOW)
            before = _within(read.get(reader, []), last - timedelta(days=WINDOW), WINDOW)
            people, days = people + 1, days + lately
            asleep += lately == 0
            less += lately * 2 < before
        return people, days, asleep, less

    # In a thread: with many readers and steps it takes seconds, in which others are answered.
    found = await asyncio.to_thread(lambda: {at: of(at) for at in (*range(asked.steps), None)})

    def mean(at: int | None) -> Cell:
        people, days, _, _ = found[at]
        return ratio(days, people, of="active subscriber")

    def part(place: int) -> Callable[[int | None], Cell]:
        return lambda at: share(found[at][place], found[at][0], of=_ACTIVE)

    return [
        line_of(mean, asked.steps, "days"),
        line_of(part(2), asked.steps, "asleep"),
        line_of(part(3), asked.steps, "at_risk"),
    ]


async def funnel(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders who read or met a wall, those who met one, and who began and completed a checkout."""
    found = await holders_met(session, asked)
    counts = {
        "holders": found["holders"][""],
        "walled": found["all"][""],
        "started": await _buyers(session, asked, literal(True)),
        "paid": await _buyers(session, asked, Checkout.status == "completed"),
    }

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    def completed(at: int | None) -> Cell:
        return share(counts["paid"][at], counts["started"][at], of="buyers who began a checkout")

    return [
        *(line_of(number(of), asked.steps, name) for name, of in counts.items()),
        line_of(completed, asked.steps, "completed"),
    ]


async def _buyers(session: AsyncSession, asked: Asked, condition: ColumnElement[bool]) -> Counts:
    """Distinct readers, else devices, with a checkout in each step and in the period."""
    buyer = func.coalesce(Checkout.reader_id, Checkout.device_id, Checkout.id)
    counts: Counts = defaultdict(int)
    for step in (asked.step_at(Checkout.created_at.expression), literal(WHOLE)):
        rows = (
            select(step.label("step"), buyer.label("buyer"))
            .where(Checkout.created_at >= asked.since, Checkout.created_at < asked.until, condition)
            .subquery("buyers")
        )
        for at, count in await session.execute(
            select(rows.c.step, func.count(rows.c.buyer.distinct())).group_by(rows.c.step)
        ):
            counts[None if at == WHOLE else at] = count
    return counts


async def _days_read(session: AsyncSession, asked: Asked) -> dict[str, list[date]]:
    """The days on which each reader read, the earliest first, from two windows before the period."""
    earlier = asked.period.first - timedelta(days=_LONGEST_WINDOW)
    days = await by_holder(session, replace(asked, period=replace(asked.period, first=earlier)))
    rows = (
        select(days.c.whose, days.c.day)
        .where(days.c.reads > 0, days.c.whose.startswith(READER))
        .distinct()
        .order_by(days.c.whose, days.c.day)
    )
    found: defaultdict[str, list[date]] = defaultdict(list)
    for whose, day in await session.execute(rows):
        found[whose.removeprefix(READER)].append(day)
    return found


async def _stays_of_readers(session: AsyncSession, asked: Asked) -> list[tuple[str, Stay]]:
    """Each time as an active subscriber, with the reader; of erased readers nobody knows which."""
    known = await session.execute(
        select(Reader.pseudonym, Reader.id).where(Reader.pseudonym.is_not(None))
    )
    readers = {row.pseudonym: row.id for row in known}
    stayed = await stays(session, replace(asked, split=""))
    return [(readers[each.customer], each) for each in stayed if each.customer in readers]


def _end(asked: Asked, at: int | None) -> tuple[datetime, date]:
    """The last instant of a step up to now, and its day."""
    step = asked.period.whole if at is None else asked.period.steps[at]
    return min(step.until, asked.now), min(step.last, asked.today)


def _is_active(stay: Stay, until: datetime) -> bool:
    return stay.since < until and (stay.until is None or stay.until >= until)


def _within(days: list[date], last: date, length: int) -> int:
    """The number of these days among the `length` up to `last`."""
    return bisect_right(days, last) - bisect_left(days, last - timedelta(days=length - 1))
