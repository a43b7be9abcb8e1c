"""Adding up the access ledger by day: each day that is over once, and again where rows came late.

What isn't added up yet is counted from the ledger itself (queries/ledger.py), so no figure waits for
this, and none changes by it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, Select, case, delete, func, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Checkout, HolderDay, LedgerDay, RolledDay
from service.problems import Problem

LATE_ROWS = timedelta(minutes=15)
"""So long after midnight a process may still be writing what it noted before."""
LOOKED_AT_AGAIN = 7
"""The number of days back in which rows that came later still are found."""
ROWS_AT_ONCE = 20_000
"""Of the ledger, in one transaction: other writers wait for no more on SQLite."""
_KEY = "ledger-rollup"
_ONE_DAY = timedelta(days=1)

log = structlog.get_logger()


@contextmanager
def unless_too_slow(what: str, day: date) -> Iterator[None]:
    """Go on where the database takes too long for this day."""
    try:
        yield
    except Problem as problem:
        if problem.slug != "takes-too-long":
            raise
        log.warning("day.too_slow", what=what, day=str(day))


async def roll_up(context: Context) -> None:
    """Add up each day that is over and isn't added up, the oldest first. Safe to repeat, anywhere."""
    now, zone = context.clocks.business(), context.settings.zone
    yesterday = (now - LATE_ROWS).astimezone(zone).date() - _ONE_DAY
    async with context.database.slow_reading("reports") as session:
        days = await _days_to_roll(session, yesterday, zone)
    for day in days:
        await roll_day(context.database, day, now=context.clocks.wall())
    if days:
        log.info("ledger.rolled_up", days=len(days), until=str(days[-1]))


async def roll_day(
    database: Database, day: date, *, now: datetime, at_once: int = ROWS_AT_ONCE
) -> None:
    """Add up one day, instead of what was added up of it before.

    In pieces, between which others write; until the last one figures count the day from the ledger.
    """
    async with database.serialised(_KEY) as session:
        await session.execute(delete(RolledDay).where(RolledDay.day == day))
    async with database.reading() as session:
        rows = select(func.count()).select_from(AccessEntry).where(AccessEntry.day == day)
        count = await session.scalar(rows) or 0
        of_articles = list(await session.execute(ledger_days().where(AccessEntry.day == day)))
    async with database.serialised(_KEY) as session:
        await session.execute(delete(LedgerDay).where(LedgerDay.day == day))
        connection = await session.connection()
        columns = tuple(column.key for column in LedgerDay.__table__.columns)
        await connection.run_sync(
            lambda sync: insert_rows(sync, LedgerDay, columns, [tuple(row) for row in of_articles])
        )
    after: str | None = ""
    while after is not None:
        after = await _roll_holders(database, day, after, at_once)
    async with database.serialised(_KEY) as session:
        await session.merge(RolledDay(day=day, rows=count, rolled_at=now))


async def _roll_holders(database: Database, day: date, after: str, at_once: int) -> str | None:
    """Add up the holders that come next by their names; answers the last of them, None: of all."""
    async with database.serialised(_KEY) as session:
        if database.dialect == "postgresql":
            # An erasure renames devices here and then in the ledger: it comes before all of this, or after.
            await session.execute(text("LOCK TABLE holder_days IN SHARE ROW EXCLUSIVE MODE"))
        last = await session.scalar(
            select(AccessEntry.holder)
            .where(AccessEntry.day == day, AccessEntry.holder > after)
            .order_by(AccessEntry.holder)
            .offset(at_once)
            .limit(1)
        )
        await session.execute(delete(HolderDay).where(*_between(HolderDay, day, after, last)))
        added_up = holder_days().where(*_between(AccessEntry, day, after, last))
        columns = [column.key for column in HolderDay.__table__.columns]
        await session.execute(insert(HolderDay).from_select(columns, added_up))
    return last


def _between(
    table: type[HolderDay | AccessEntry], day: date, after: str, last: str | None
) -> list[ColumnElement[bool]]:
    place = [table.day == day, table.holder > after]
    return place if last is None else [*place, table.holder <= last]


def ledger_days() -> Select[Any]:
    """The ledger added up by day, article, reason and wall: the columns of `LedgerDay`."""
    entry = AccessEntry
    wall = func.coalesce(entry.wall, "")
    return select(
        entry.day, entry.article_id, entry.reason, wall.label("wall"), func.count().label("rows"),
        _count(entry.consumed).label("counted"),
    ).group_by(entry.day, entry.article_id, entry.reason, wall)  # fmt: skip


def holder_days() -> Select[Any]:
    """The ledger added up by day and holder: the columns of `HolderDay`."""
    entry = AccessEntry
    return select(
        entry.day, entry.holder, _count(entry.granted).label("reads"),
        _count(entry.consumed).label("counted"),
        func.min(case((entry.wall == "subscribe", entry.at))).label("subscribe_wall_at"),
        func.min(case((entry.wall == "register", entry.at))).label("register_wall_at"),
    ).group_by(entry.day, entry.holder)  # fmt: skip


def _count(condition: Any) -> Any:
    return func.sum(case((condition, literal(1)), else_=literal(0)))


async def _days_to_roll(session: AsyncSession, yesterday: date, zone: ZoneInfo) -> list[date]:
    """Those that were never added up; with them, once a night, those that have more rows by now.

    From the first click on, where that came before the first read: who bought on a day is counted with it.
    """
    first = await session.scalar(select(func.min(AccessEntry.day)))
    if first is None:
        return []
    clicked = await session.scalar(select(func.min(Checkout.created_at, type_=UtcDateTime())))
    if clicked is not None:
        first = min(first, clicked.astimezone(zone).date())
    rolled = {row.day: row.rows for row in await session.scalars(select(RolledDay))}
    days = [first + number * _ONE_DAY for number in range((yesterday - first).days + 1)]
    if all(day in rolled for day in days):
        return []
    lately = yesterday - LOOKED_AT_AGAIN * _ONE_DAY
    counted = await session.execute(
        select(AccessEntry.day, func.count())
        .where(AccessEntry.day > lately, AccessEntry.day <= yesterday)
        .group_by(AccessEntry.day)
    )
    changed = {day for day, count in counted if rolled.get(day, count) < count}
    return [day for day in days if day not in rolled or day in changed]
