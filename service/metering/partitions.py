"""The ledger's months: on PostgreSQL one partition each, made ahead and dropped by age.

What no partition is there for lies in the default one until its month is made. SQLite has one
table, whose old rows are deleted.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date

import structlog
from sqlalchemy import CursorResult, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.session import Database

MONTHS_AHEAD = 2
"""So a service that is stopped for a month writes nothing into the default partition."""
LOCK_WAIT = "2s"
"""Reads wait behind a change of partitions that waits for its lock itself: then rather later."""
DELETED_AT_ONCE = 10_000
_LOCK_NOT_AVAILABLE = "55P03"
_ROW = {"sqlite": "rowid", "postgresql": "ctid"}
"""What either database calls a row's place in its table."""

log = structlog.get_logger()


async def make_months(context: Context) -> None:
    """Make the partitions that are missing, on PostgreSQL. Before many rows are there: those that lie in the default
    partition are moved, and writers wait for that.

    Safe to repeat, and in several processes at once. Where reads hold a lock for too long, the next
    round tries again.
    """
    if context.database.dialect == "postgresql":
        with _unless_locked():
            await make_partitions(context.database, _this_month(context))


async def drop_old_months(context: Context) -> None:
    """Drop months beyond `ledger_keep_months`. Safe to repeat and to try again, as `make_months`."""
    kept = context.settings.ledger_keep_months
    if kept is not None:
        with _unless_locked():
            await drop_before(context.database, months_on(_this_month(context), -kept))


def _this_month(context: Context) -> date:
    return context.clocks.business().astimezone(context.settings.zone).date().replace(day=1)


@contextmanager
def _unless_locked() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        log.info("ledger.partitions_wait")


def months_on(first: date, months: int) -> date:
    """The first day of another month; `months` from that of `first`, negative for earlier ones."""
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


async def make_partitions(database: Database, this_month: date) -> None:
    """Partitions for this month, those ahead, and all of which rows lie in the default one."""
    async with database.reading() as session:
        strays = await session.scalars(
            text("SELECT DISTINCT date_trunc('month', day)::date FROM access_ledger_default")
        )
        wanted = {months_on(this_month, ahead) for ahead in range(MONTHS_AHEAD + 1)} | set(strays)
        made = set(await _months(session))
    for month in sorted(wanted - made):
        async with _changing(database) as session:
            # Another process may have come first.
            if month not in await _months(session):
                await _make(session, month)


async def drop_before(database: Database, first_kept: date) -> None:
    """Remove all rows of months before this one."""
    if database.dialect == "postgresql":
        async with database.reading() as session:
            old = [month for month in await _months(session) if month < first_kept]
        for month in old:
            async with _changing(database) as session:
                await session.execute(text(f"DROP TABLE IF EXISTS {_name(month)}"))
            log.info("ledger.month_dropped", month=f"{month:%Y-%m}")
    table = "access_ledger_default" if database.dialect == "postgresql" else "access_ledger"
    row = _ROW[database.dialect]
    statement = text(
        f"DELETE FROM {table} WHERE {row} IN"  # noqa: S608 nothing in it is from outside
        f" (SELECT {row} FROM {table} WHERE day < :first_kept LIMIT {DELETED_AT_ONCE})"
    )
    while True:
        async with database.transaction() as session:
            result = await session.execute(statement, {"first_kept": first_kept})
            if not isinstance(result, CursorResult) or result.rowcount < DELETED_AT_ONCE:
                return


async def _make(session: AsyncSession, month: date) -> None:
    """Attached, not created as a partition, so that queries of the other months go on.

    Writers wait at the parent: one that waited at the default partition would find it closed to its
    row. Rows of the month that lie there go along.
    """
    name, start, end = _name(month), f"'{month}'", f"'{months_on(month, 1)}'"
    moved = "DELETE FROM access_ledger_default"
    moved += f" WHERE day >= {start} AND day < {end} RETURNING *"
    for statement in (
        "LOCK TABLE ONLY access_ledger IN SHARE ROW EXCLUSIVE MODE",
        "LOCK TABLE access_ledger_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE access_ledger)",
        f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608 only dates
        f"ALTER TABLE access_ledger ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})",
    ):
        await session.execute(text(statement))


async def _months(session: AsyncSession) -> list[date]:
    """The months that have partitions, the oldest first."""
    names = await session.scalars(
        text(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'access_ledger'::regclass ORDER BY c.relname"
        )
    )
    parts = [name.removeprefix("access_ledger_").partition("_") for name in names]
    return [date(int(year), int(month), 1) for year, _, month in parts if month]


def _name(month: date) -> str:
    return f"access_ledger_{month:%Y_%m}"


@asynccontextmanager
async def _changing(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction in which this process alone changes partitions, and doesn't wait for long."""
    async with database.serialised("ledger-partitions") as session:
        await session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
        yield session
