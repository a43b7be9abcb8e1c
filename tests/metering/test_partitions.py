"""The ledger's months: made ahead, filled from the default partition, dropped by age."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text

from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry
from service.metering.ledger import entry_at, write_all
from service.metering.partitions import drop_old_months, make_months, months_on
from service.settings import Settings
from tests.conftest import MovingClocks

NEW_YEARS_EVE = datetime(2030, 12, 31, 23, 30, tzinfo=UTC)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def read(database: Database, settings: Settings, article: str, at: datetime) -> None:
    entry = entry_at(
        at, settings.zone, holder="device:d", article_id=article, reader_id=None,
        device_id="d", reason="meter",
    )  # fmt: skip
    await database.in_one_go(partial(write_all, entries=[entry]))


async def places(database: Database) -> dict[str, str]:
    """In which table each article's row lies."""
    statement = text("SELECT article_id, tableoid::regclass::text AS tableoid FROM access_ledger")
    async with database.reading() as session:
        return {row.article_id: row.tableoid for row in await session.execute(statement)}


@pytest.mark.parametrize(
    ("first", "months", "expected"),
    [
        (date(2026, 1, 1), 0, date(2026, 1, 1)),
        (date(2026, 11, 1), 2, date(2027, 1, 1)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)),
        (date(2026, 3, 1), -27, date(2023, 12, 1)),
    ],
)
def test_months_are_counted_over_the_years_end(first: date, months: int, expected: date) -> None:
    assert months_on(first, months) == expected


@on_postgresql
async def test_this_month_and_the_next_two_have_partitions(
    database: Database, settings: Settings
) -> None:
    clocks = MovingClocks(NEW_YEARS_EVE)
    # Several processes find out at once that months are missing.
    await asyncio.gather(*(make_months(Context(settings, clocks, database)) for _ in range(3)))
    for days in (0, 31, 59, 90):
        await read(database, settings, f"in {days}", clocks.business() + timedelta(days=days))
    assert await places(database) == {
        "in 0": "access_ledger_2030_12",
        "in 31": "access_ledger_2031_01",
        "in 59": "access_ledger_2031_02",
        "in 90": "access_ledger_default",
    }


@on_postgresql
async def test_a_leap_of_time_loses_no_row(database: Database, settings: Settings) -> None:
    clocks = MovingClocks(NEW_YEARS_EVE)
    await make_months(Context(settings, clocks, database))
    await read(database, settings, "before", clocks.business())
    clocks.travel(timedelta(days=1000))
    await read(database, settings, "after", clocks.business())
    await read(database, settings, "long ago", datetime(2019, 5, 1, tzinfo=UTC))
    for _ in range(2):
        await make_months(Context(settings, clocks, database))
        assert await places(database) == {
            "before": "access_ledger_2030_12",
            "after": "access_ledger_2033_09",
            "long ago": "access_ledger_2019_05",
        }


@on_postgresql
async def test_who_reads_for_long_is_waited_for_in_a_later_round(
    database: Database, settings: Settings
) -> None:
    clocks = MovingClocks(NEW_YEARS_EVE)
    await read(database, settings, "a", clocks.business())
    async with database.reading() as session:
        await session.execute(text("SELECT count(*) FROM access_ledger"))
        await make_months(Context(settings, clocks, database))
        assert await places(database) == {"a": "access_ledger_default"}
    await make_months(Context(settings, clocks, database))
    assert await places(database) == {"a": "access_ledger_2030_12"}


@on_postgresql
async def test_a_read_while_its_month_is_made_is_kept(
    database: Database, settings: Settings
) -> None:
    clocks = MovingClocks(NEW_YEARS_EVE)
    await read(database, settings, "a", clocks.business())
    async with database.reading() as session:
        # Holds up the change in its middle.
        await session.execute(text("SELECT count(*) FROM access_ledger"))
        making = asyncio.create_task(make_months(Context(settings, clocks, database)))
        await waiting(database, 1, making)
        reading = asyncio.create_task(read(database, settings, "b", clocks.business()))
        await waiting(database, 2, making)
    await asyncio.gather(making, reading)
    await make_months(Context(settings, clocks, database))
    assert await places(database) == {"a": "access_ledger_2030_12", "b": "access_ledger_2030_12"}


async def waiting(database: Database, wanted: int, making: asyncio.Task[None]) -> None:
    """Return once that number of locks is waited for, or the change of partitions has given up."""
    statement = text(
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND NOT l.granted"
    )
    async with database.reading() as session:
        while not making.done() and await session.scalar(statement) != wanted:
            pass


async def test_months_beyond_those_kept_are_dropped(database: Database, settings: Settings) -> None:
    """Those in the default partition too. The running month is kept beside them."""
    clocks = MovingClocks(datetime(2031, 2, 28, 12, 0, tzinfo=UTC))
    for at in (NEW_YEARS_EVE - timedelta(days=40), NEW_YEARS_EVE):
        await read(database, settings, f"{at:%B}", at)
    await make_months(Context(settings, clocks, database))
    for at in (NEW_YEARS_EVE + timedelta(hours=1), clocks.business()):
        await read(database, settings, f"{at:%B}", at)
    await read(database, settings, "stray", datetime(2018, 1, 1, tzinfo=UTC))
    keeping = settings.model_copy(update={"ledger_keep_months": 2})
    await drop_old_months(Context(keeping, clocks, database))
    async with database.reading() as session:
        left = await session.scalars(select(AccessEntry.article_id).order_by(AccessEntry.at))
        assert list(left) == ["December", "January", "February"]
    if database.dialect == "postgresql":
        assert "access_ledger_2030_11" not in await _tables(database)


async def _tables(database: Database) -> set[str]:
    async with database.reading() as session:
        found = await session.scalars(text("SELECT tablename FROM pg_tables"))
        return set(found)
