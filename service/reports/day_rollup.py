"""What reports need of holders, counted when a day is over, and pruned by age.

Returns and habits of each day; depths of each day, week and month up to yesterday. A day is counted anew
each night for a month, since a wall may lead to a payment so late, and a device may join a reader.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import (
    FewHabit,
    HabitDay,
    HolderDay,
    HolderReturn,
    RolledDay,
    SourceDay,
    StepDepth,
)
from service.identity.sign_in_asks import asks_before, forget_asks
from service.metering.partitions import months_on
from service.reports.asked import Asked
from service.reports.period import Interval, Period, midnight, step_after, step_of
from service.reports.queries.depths import DEPTH_INTERVALS, depths_between
from service.reports.queries.habits import WINDOW, Habits, habits_of, habits_on
from service.reports.queries.listed_habits import SEARCHED, few_of
from service.reports.queries.source_days import sold_on
from service.reports.returns import OF_BUYERS, buyers_of, returns_of
from service.reports.rollups import unless_too_slow

SETTLED_AFTER = 31
"""Days: the longest time from a wall to a payment that a figure looks at, and the night after it."""
VERSION = 2
"""Grows where the same days of holders count as something else (older_days.py)."""
HABITS_VERSION = 1
"""The first that counts them of each day: an earlier release noted days of which it counted none."""
COUNTED_TOGETHER = 31
"""Days whose habits are counted in one statement: it reads two months more."""
DELETED_AT_ONCE = 10_000
_ONE_DAY = timedelta(days=1)

log = structlog.get_logger()


async def count_days(context: Context, progress: Callable[[date], None] = lambda _: None) -> None:
    """Count each rolled up day that isn't counted or not settled, the oldest first.

    Safe to repeat and to interrupt, anywhere: of each day it is noted what is counted. A day that takes too
    long for the database is tried again, and no other waits for it. `progress` gets each day whose holders
    are counted.
    """
    today = _today(context)
    days = await _days(context, _is_due(RolledDay.counted_on, today))
    for day in days:
        with unless_too_slow("holders", day):
            await count_day(context, day, today, with_sources=True)
            progress(day)
    if lately := await _days(context, _lacks_habits(today)):
        await _count_habits(context, lately, today)
        if today - _ONE_DAY in lately:
            await note_few_habits(context)
    await _tell_settled_apart(context)
    due = await _days(context, _is_due(RolledDay.depths_counted_on, today))
    await _count_depths(context, due, today)
    if days:
        log.info("ledger.counted", days=len(days), until=str(days[-1]))


async def count_past_habits(context: Context, *, at_once: int = COUNTED_TOGETHER) -> bool:
    """Of days that are settled, the latest that lack them; answers whether there may be more.

    Some each round, as nothing waits for them: after an upgrade it may be years, and figures count them themselves.
    """
    today = _today(context)
    past = not_(_is_unsettled(today)) & _without_habits()
    days = (await _days(context, past))[-at_once:]
    if days:
        await _count_habits(context, days, today)
        log.info("habits.counted", days=len(days), since=str(days[0]))
    return len(days) == at_once


def _is_unsettled(today: date) -> ColumnElement[bool]:
    return RolledDay.day > today - SETTLED_AFTER * _ONE_DAY


def _is_due(counted_on: InstrumentedAttribute[date | None], today: date) -> ColumnElement[bool]:
    return or_(counted_on.is_(None), _is_unsettled(today) & (counted_on < today))


def _lacks_habits(today: date) -> ColumnElement[bool]:
    """Of days that aren't settled, also those whose habits took too long: they are tried once a night."""
    tried_before = (RolledDay.habits_counted_on < today) & _has_none()
    return _is_unsettled(today) & or_(_without_habits(), tried_before)


def _without_habits() -> ColumnElement[bool]:
    """Those of which nobody tried to count them; an earlier release may note it beside this one."""
    row = RolledDay
    skipped = (row.habits_version < HABITS_VERSION) & _has_none()
    return or_(row.habits_counted_on.is_(None), skipped)


def _has_none() -> ColumnElement[bool]:
    return RolledDay.day.not_in(select(HabitDay.day))


async def _days(context: Context, condition: ColumnElement[bool]) -> list[date]:
    async with context.database.slow_reading("reports") as session:
        rolled = select(RolledDay.day).where(condition).order_by(RolledDay.day)
        return list(await session.scalars(rolled))


async def prune_holder_days(context: Context, *, at_once: int = DELETED_AT_ONCE) -> None:
    """Delete days of holders beyond `holder_days_keep_months`, once all is counted of them; that stays.

    With them go the asks for sign-in mails of the time before the first day that is left. What has nothing to
    delete writes nothing.
    """
    database = context.database
    first_kept = months_on(
        _today(context).replace(day=1), -context.settings.holder_days_keep_months
    )
    counted = select(RolledDay.day).where(
        RolledDay.counted_on.is_not(None), not_(_without_habits()),
        RolledDay.depths_counted_on.is_not(None),
    )  # fmt: skip
    some = (
        select(HolderDay.day, HolderDay.holder)
        .where(HolderDay.day < first_kept, HolderDay.day.in_(counted))
        .limit(at_once)
    )
    while True:
        async with database.reading() as session:
            old = list(await session.execute(some))
        if not old:
            break
        async with database.transaction() as session:
            for day in {row.day for row in old}:
                whose = [row.holder for row in old if row.day == day]
                await session.execute(
                    delete(HolderDay).where(HolderDay.day == day, HolderDay.holder.in_(whose))
                )
    async with database.reading() as session:
        since = await session.scalar(select(func.min(HolderDay.day)))
    first = first_kept if since is None else min(since, first_kept)
    before = midnight(first, context.settings.zone)
    while True:
        async with database.reading() as session:
            asked = await asks_before(session, before, at_once)
        if not asked:
            break
        async with database.transaction() as session:
            await forget_asks(session, asked[-1])


async def count_day(context: Context, day: date, today: date, *, with_sources: bool) -> None:
    """Count its holders and buyers; without sources what led erased buyers here stays counted."""
    async with context.database.slow_reading("reports") as session:
        since = await session.scalar(select(func.min(HolderDay.day))) or day
        found = await returns_of(session, context.settings.zone, [day])
        sold = await sold_on(session, day, context.settings.zone)
    returns = [(*key, number) for key, number in found.items()]
    async with context.database.transaction() as session:
        await session.execute(delete(HolderReturn).where(HolderReturn.day == day))
        await _insert(session, HolderReturn, ("measure", "day", "previous", "holders"), returns)
        if with_sources:
            await session.execute(delete(SourceDay).where(SourceDay.day == day))
            await _insert(session, SourceDay, ("day", "touch", "source", "sold"), sold)
        await _note(session, day, counted_on=today, counted_version=VERSION, looked_back_to=since)


async def count_buyers(context: Context, day: date) -> None:
    """Of a day whose holders can't be counted any more: buyers come from checkouts alone."""
    row = HolderReturn
    async with context.database.slow_reading("reports") as session:
        found = await buyers_of(session, context.settings.zone, [day])
    buyers = [(*key, number) for key, number in found.items()]
    async with context.database.transaction() as session:
        await session.execute(delete(row).where(row.day == day, row.measure.in_(OF_BUYERS)))
        await _insert(session, row, ("measure", "day", "previous", "holders"), buyers)
        await _note(session, day, counted_version=VERSION)


async def _tell_settled_apart(context: Context) -> None:
    """Of the days that an earlier release counted; the rest of what it counted stays, as readers are erased."""
    async with context.database.slow_reading("reports") as session:
        since = await session.scalar(select(func.min(HolderDay.day)))
        if since is None:
            return
        first = since + 2 * WINDOW * _ONE_DAY if await _deleted_before(session, since) else date.min
        earlier = select(HabitDay.day).where(HabitDay.settled.is_(None), HabitDay.day >= first)
        days = list(await session.scalars(earlier.order_by(HabitDay.day)))
    for day in days:
        with unless_too_slow("habits", day):
            async with context.database.slow_reading("reports") as session:
                habits = await habits_on(session, _asked(context, day, day, "day"), day)
            async with context.database.transaction() as session:
                await session.execute(
                    update(HabitDay)
                    .where(HabitDay.day == day)
                    .values(asleep=habits.asleep, settled=habits.settled)
                )


async def _count_habits(context: Context, days: list[date], today: date) -> None:
    """Together, or each by itself where that takes too long."""
    found: list[dict[date, Habits]] = []
    with unless_too_slow("habits", days[0]):
        async with context.database.slow_reading("reports") as session:
            known = await _with_habits(session, days)
            asked = _asked(context, days[0], days[-1], "day")
            found.append(await habits_of(session, asked, known))
    if not found and len(days) > 1:
        for day in days:
            await _count_habits(context, [day], today)
        return
    async with context.database.transaction() as session:
        for each in found:
            for day, habits in each.items():
                await session.merge(HabitDay(day=day, **vars(habits)))
        for day in days:
            await _note(session, day, habits_counted_on=today, habits_version=HABITS_VERSION)


async def note_few_habits(context: Context) -> None:
    """Who reads as few do, up to yesterday: lists would look through all that was read in a month or two.

    What isn't noted, as it takes too long, a list finds itself.
    """
    day = _today(context) - _ONE_DAY
    rows: list[tuple[Any, ...]] = []
    for series in SEARCHED:
        with unless_too_slow("few", day):
            async with context.database.slow_reading("reports") as session:
                found = await few_of(session, _asked(context, day, day, "day"), day, series)
            if found is not None:
                rows += [(day, series, reader_id) for reader_id in ("", *found)]
    async with context.database.transaction() as session:
        await session.execute(delete(FewHabit))
        await _insert(session, FewHabit, ("day", "series", "reader_id"), rows)


async def _with_habits(session: AsyncSession, days: list[date]) -> list[date]:
    """Those of which it is known who read on each of the days that they look back to."""
    since = await session.scalar(select(func.min(HolderDay.day)))
    if since is None:
        return []
    first = since + 2 * WINDOW * _ONE_DAY if await _deleted_before(session, since) else date.min
    return [day for day in days if day >= first]


async def _deleted_before(session: AsyncSession, since: date) -> bool:
    """Whether there were days of holders before those that are kept."""
    first = await session.scalar(select(func.min(RolledDay.day)).where(RolledDay.rows > 0))
    return first is not None and first < since


async def _count_depths(context: Context, days: list[date], today: date) -> None:
    """Of each step that has one of these days, up to yesterday."""
    yesterday = today - _ONE_DAY
    async with context.database.slow_reading("reports") as session:
        since = await session.scalar(select(func.min(HolderDay.day)))
        gone = since is None or await _deleted_before(session, since)
    counted: set[tuple[Interval, date]] = set()
    for day in days:
        with unless_too_slow("depths", day):
            found: dict[tuple[Interval, date], list[tuple[Any, ...]]] = {}
            for interval in DEPTH_INTERVALS:
                first = step_of(day, interval)
                is_whole = not gone or (since is not None and first >= since)
                if is_whole and (interval, first) not in counted:
                    last = min(step_after(first, interval) - _ONE_DAY, yesterday)
                    found[interval, first] = await _depths_of(context, interval, first, last)
            await _store_depths(context, day, today, found)
            counted |= found.keys()


async def _store_depths(
    context: Context,
    day: date,
    today: date,
    found: dict[tuple[Interval, date], list[tuple[Any, ...]]],
) -> None:
    async with context.database.transaction() as session:
        for (interval, first), depths in found.items():
            await session.execute(
                delete(StepDepth).where(StepDepth.interval == interval, StepDepth.first == first)
            )
            columns = ("interval", "first", "used", "last", "holders")
            await _insert(session, StepDepth, columns, depths)
        await _note(session, day, depths_counted_on=today)


async def _depths_of(
    context: Context, interval: Interval, first: date, last: date
) -> list[tuple[Any, ...]]:
    async with context.database.slow_reading("reports") as session:
        used = await depths_between(session, _asked(context, first, last, interval), first, last)
    return [(interval, first, each, last, holders) for each, holders in used.items()]


async def _note(session: AsyncSession, day: date, **values: date | int) -> None:
    await session.execute(update(RolledDay).where(RolledDay.day == day).values(values))


async def _insert(
    session: AsyncSession, table: type[Any], columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    connection = await session.connection()
    await connection.run_sync(lambda sync: insert_rows(sync, table, columns, rows))


def _asked(context: Context, first: date, last: date, interval: Interval) -> Asked:
    zone = context.settings.zone
    return Asked(Period(first, last, interval, zone), context.clocks.business(), zone)


def _today(context: Context) -> date:
    return context.clocks.business().astimezone(context.settings.zone).date()
