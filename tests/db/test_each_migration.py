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
from tests.db.conftest import FORMER
from tests.patience import PATIENCE

BEFORE_ASKS = "e60b7d3f9c18"
BEFORE_SCHEDULED = "c2d94e7a1b60"
"""The migration after it makes a table and then adds a column to `subscriptions`; those before it add one to
`dunning_episodes`, and make `promotion_uses`."""
UNINDEXED, INDEXED = "c93e5f1ab024", "e60b7d3f9c18"
"""Before and after an index of some rows of `subscriptions`."""
BEFORE, BEFORE_READERS_BY_AGE = "4b7d91e2c6f3", "2b6d8f40a9c7"
_UNNOTED = "WHERE scheduled_noted IS NULL"
_AT_ONCE = re.compile(r"(?:CREATE (?:UNIQUE )?|DROP )INDEX (?!CONC)(\w+)")
on_postgresql = pytest.mark.parametrize("former_database_url", ["postgresql"], indirect=True)


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(async_url(url))
    yield engine
    await engine.dispose()


async def revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(migrate.current)


async def execute(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_an_upgrade_that_fails_goes_on_where_it_stopped(former_database_url: str) -> None:
    async with engine_of(former_database_url) as engine:
        await execute(engine, "CREATE TABLE sign_in_asks (id INTEGER)")
        with pytest.raises(DBAPIError, match="sign_in_asks"):
            await migrate.migrate(former_database_url)
        assert await revision(engine) == BEFORE_ASKS
        with pytest.raises(migrate.SchemaOutdatedError, match="paywall migrate"):
            await migrate.prepare(former_database_url)
        await execute(engine, "DROP TABLE sign_in_asks")
        assert await migrate.migrate(former_database_url) == (BEFORE_ASKS, migrate.head())


async def test_a_migration_that_fails_leaves_nothing_of_itself(former_database_url: str) -> None:
    """`scheduled_changes` makes its table before it adds this column."""
    async with engine_of(former_database_url) as engine:
        await execute(engine, "ALTER TABLE subscriptions ADD COLUMN scheduled_noted INTEGER")
        with pytest.raises(DBAPIError, match="scheduled_noted"):
            await migrate.migrate(former_database_url)
        assert await revision(engine) == BEFORE_SCHEDULED
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda it: inspect(it).get_table_names())
        assert "scheduled_changes" not in tables
        await execute(engine, "ALTER TABLE subscriptions DROP COLUMN scheduled_noted")
        assert await migrate.migrate(former_database_url) == (BEFORE_SCHEDULED, migrate.head())


@on_postgresql
async def test_readers_read_while_a_later_migration_waits(former_database_url: str) -> None:
    async with engine_of(former_database_url) as engine:
        # What a build that was interrupted leaves has the name, and is of no use.
        await execute(engine, "CREATE INDEX ix_audit_log_at ON audit_log (id)")
        async with engine.connect() as report:
            await report.execute(text("SELECT count(*) FROM subscriptions"))
            upgrade = asyncio.create_task(migrate.migrate(former_database_url))
            async with asyncio.timeout(PATIENCE):
                while await revision(engine) != BEFORE_SCHEDULED:  # noqa: ASYNC110 it alone says so
                    await asyncio.sleep(0.05)
            await execute(
                engine, "SET LOCAL lock_timeout = '30s'", "SELECT count(*) FROM dunning_episodes",
                "SELECT count(*) FROM promotion_uses",
            )  # fmt: skip
            assert not upgrade.done()
        assert await upgrade == (FORMER, migrate.head())
        async with engine.connect() as connection:
            indexes = await connection.run_sync(lambda it: inspect(it).get_indexes("audit_log"))
        columns = {index["name"]: index["column_names"] for index in indexes}
        assert columns["ix_audit_log_at"] == ["at", "id"]


@on_postgresql
async def test_an_interrupted_migration_builds_what_it_lacks(former_database_url: str) -> None:
    """Of many hours of indexes those that were built to their end stay, if they are of the same rows."""
    name = "ix_subscriptions_scheduled_unnoted"
    built = text(f"SELECT oid FROM pg_class WHERE relname = '{name}'")  # noqa: S608 our own name
    async with engine_of(former_database_url) as engine, engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, UNINDEXED)
        for only, is_whole in (
            (_UNNOTED, True), (_UNNOTED, False), ("", True), ("WHERE scheduled_noted", True),
        ):  # fmt: skip
            await execute(
                engine, f"CREATE INDEX {name} ON subscriptions (id) {only}",
                f"UPDATE pg_index SET indisvalid = {is_whole} WHERE indexrelid = '{name}'::regclass",  # noqa: S608 our own name
            )  # fmt: skip
            before = await connection.scalar(built)
            await connection.rollback()
            await connection.run_sync(migrate.upgrade, INDEXED)
            stays = await connection.scalar(built) == before
            assert stays is (is_whole and only == _UNNOTED), (only, is_whole)
            await connection.run_sync(migrate.downgrade, UNINDEXED)


@on_postgresql
async def test_others_write_while_an_index_is_built(former_database_url: str) -> None:
    written = "LOCK TABLE audit_log IN ROW EXCLUSIVE MODE"
    at_work = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'CREATE INDEX%audit_log%' AND wait_event_type = 'Lock'"
    )
    async with engine_of(former_database_url) as engine:
        async with engine.connect() as writer, engine.connect() as looking:
            await writer.execute(text(written))
            upgrade = asyncio.create_task(migrate.migrate(former_database_url))
            async with asyncio.timeout(PATIENCE):
                while not await looking.scalar(at_work):
                    await looking.rollback()
                    await asyncio.sleep(0.05)
            await execute(engine, "SET LOCAL lock_timeout = '30s'", written)
            assert not upgrade.done()
        assert await upgrade == (FORMER, migrate.head())


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

    async with engine_of(empty_database_url) as engine, engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await connection.run_sync(migrate.upgrade, migrate.head())
        await connection.run_sync(migrate.downgrade, BEFORE_READERS_BY_AGE)
    assert not locked


@on_postgresql
async def test_of_two_at_once_the_second_waits(former_database_url: str) -> None:
    def whole() -> tuple[str | None, str]:
        return asyncio.run(migrate.migrate(former_database_url))

    moved = await asyncio.gather(asyncio.to_thread(whole), asyncio.to_thread(whole))
    assert set(moved) == {(FORMER, migrate.head()), (migrate.head(), migrate.head())}
