"""Each migration is committed by itself, beside a service that runs and a second migration."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.db import migrate
from service.db.engines import async_url
from tests.patience import PATIENCE

BEFORE, FORMER_GRANTS = "4b7d91e2c6f3", "6d1c94e7b0a5"
"""The second adds a column to `grants`; the one after it adds one to `movements`."""
BEFORE_INSTITUTIONS = "b7d2f60a9c15"
BEFORE_READERS_BY_AGE = "2b6d8f40a9c7"
_SCHEDULED = "WHERE type IN ('subscription.cancel_scheduled', 'subscription.resumed')"
_AT_ONCE = re.compile(r"(?:CREATE (?:UNIQUE )?|DROP )INDEX (?!CONC)(\w+)")


@asynccontextmanager
async def yesterday(url: str) -> AsyncIterator[AsyncEngine]:
    """A database of the release before."""
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
    yield engine
    await engine.dispose()


async def revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(migrate.current)


async def execute(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_an_upgrade_that_fails_goes_on_where_it_stopped(empty_database_url: str) -> None:
    async with yesterday(empty_database_url) as engine:
        await execute(engine, "CREATE TABLE institutions (id INTEGER)")
        with pytest.raises(DBAPIError, match="institutions"):
            await migrate.migrate(empty_database_url)
        assert await revision(engine) == BEFORE_INSTITUTIONS
        with pytest.raises(migrate.SchemaOutdatedError, match="paywall migrate"):
            await migrate.prepare(empty_database_url)
        await execute(engine, "DROP TABLE institutions")
        moved = await migrate.migrate(empty_database_url)
        assert moved == (BEFORE_INSTITUTIONS, migrate.head())


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url: str) -> None:
    """`movements_by_day` adds a column before it makes this table."""
    async with yesterday(empty_database_url) as engine:
        await execute(engine, "CREATE TABLE money_days (id INTEGER)")
        with pytest.raises(DBAPIError, match="money_days"):
            await migrate.migrate(empty_database_url)
        assert await revision(engine) == FORMER_GRANTS
        async with engine.connect() as connection:
            columns = await connection.run_sync(lambda it: inspect(it).get_columns("movements"))
        assert "rolled_as" not in {column["name"] for column in columns}
        await execute(engine, "DROP TABLE money_days")
        assert await migrate.migrate(empty_database_url) == (FORMER_GRANTS, migrate.head())


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_readers_read_while_a_later_migration_waits(empty_database_url: str) -> None:
    async with yesterday(empty_database_url) as engine:
        # What a build that was interrupted leaves has the name, and is of no use.
        await execute(engine, "CREATE INDEX ix_domain_events_scheduled ON domain_events (id)")
        async with engine.connect() as report:
            await report.execute(text("SELECT count(*) FROM movements"))
            upgrade = asyncio.create_task(migrate.migrate(empty_database_url))
            async with asyncio.timeout(PATIENCE):
                while await revision(engine) != FORMER_GRANTS:  # noqa: ASYNC110 it alone says so
                    await asyncio.sleep(0.05)
            await execute(
                engine, "SET LOCAL lock_timeout = '30s'", "SELECT count(*) FROM grants",
                "SELECT count(*) FROM former_grants",
            )  # fmt: skip
            assert not upgrade.done()
        assert await upgrade == (BEFORE, migrate.head())
        async with engine.connect() as connection:
            indexes = await connection.run_sync(lambda it: inspect(it).get_indexes("domain_events"))
        columns = {index["name"]: index["column_names"] for index in indexes}
        assert columns["ix_domain_events_scheduled"] == ["subject_id", "occurred_at", "id"]


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("only", "is_whole"),
    [(_SCHEDULED, True), (_SCHEDULED, False), ("", True), ("WHERE type = 'reader.created'", True)],
)
async def test_an_interrupted_migration_builds_what_it_lacks(
    empty_database_url: str, only: str, *, is_whole: bool
) -> None:
    """Of many hours of indexes those that were built to their end stay, if they are of the same rows."""
    name = "ix_domain_events_scheduled"
    built = f"SELECT oid FROM pg_class WHERE relname = '{name}'"  # noqa: S608 our own name
    async with yesterday(empty_database_url) as engine:
        await execute(
            engine, f"CREATE INDEX {name} ON domain_events (subject_id, occurred_at, id) {only}",
            f"UPDATE pg_index SET indisvalid = {is_whole} WHERE indexrelid = '{name}'::regclass",  # noqa: S608 our own name
        )  # fmt: skip
        async with engine.connect() as connection:
            before = await connection.scalar(text(built))
            await connection.rollback()
            await migrate.migrate(empty_database_url)
            assert (await connection.scalar(text(built)) == before) is (
                is_whole and only == _SCHEDULED
            )


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_others_write_while_an_index_is_built(empty_database_url: str) -> None:
    written = "LOCK TABLE domain_events IN ROW EXCLUSIVE MODE"
    at_work = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'CREATE INDEX%domain_events%' AND wait_event_type = 'Lock'"
    )
    async with yesterday(empty_database_url) as engine:
        async with engine.connect() as writer, engine.connect() as looking:
            await writer.execute(text(written))
            upgrade = asyncio.create_task(migrate.migrate(empty_database_url))
            async with asyncio.timeout(PATIENCE):
                while not await looking.scalar(at_work):
                    await looking.rollback()
                    await asyncio.sleep(0.05)
            await execute(engine, "SET LOCAL lock_timeout = '30s'", written)
            assert not upgrade.done()
        assert await upgrade == (BEFORE, migrate.head())


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_no_filled_table_is_locked_for_as_long_as_an_index_takes(
    empty_database_url: str,
) -> None:
    """Readers and webhooks would wait; a table that the migration makes itself is empty.

    Nor while a drop waits, which holds up readers of each table whose index was dropped before it.
    """
    made: set[str] = set()
    at_once: list[str] = []
    locked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "alembic_version" in statement:
            # What is made or dropped as a whole isn't read meanwhile.
            its = tuple(f"ix_{table}_" for table in made)
            locked.extend(each for each in at_once if not each.startswith(its))
            made.clear()
            at_once.clear()
        elif table := re.search(r"(?:CREATE|DROP) TABLE (\w+)", statement):
            made.add(table[1])
        elif index := _AT_ONCE.search(statement):
            at_once.append(index[1])

    async with yesterday(empty_database_url) as engine, engine.connect() as connection:
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await connection.run_sync(migrate.upgrade, migrate.head())
        await connection.run_sync(migrate.downgrade, BEFORE_READERS_BY_AGE)
    assert not locked


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_of_two_at_once_the_second_waits(empty_database_url: str) -> None:
    def whole() -> tuple[str | None, str]:
        return asyncio.run(migrate.migrate(empty_database_url))

    moved = await asyncio.gather(asyncio.to_thread(whole), asyncio.to_thread(whole))
    assert set(moved) == {(None, migrate.head()), (migrate.head(), migrate.head())}
