"""SQLite's driver: all rows come, in few ways to its thread, and a cancelled statement leaves nothing open."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.sqlite_driver import FETCHED_AT_ONCE, Connection, connect
from tests.databases import on_sqlite

COUNTS = [0, 1, FETCHED_AT_ONCE - 1, FETCHED_AT_ONCE, FETCHED_AT_ONCE + 1, 5 * FETCHED_AT_ONCE + 7]
NUMBERS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
    "SELECT i FROM n WHERE i <= {count}"
)


@pytest.fixture
async def connection(sqlite_folder: Path) -> AsyncIterator[Connection]:
    opened = connect(str(sqlite_folder / "a.db"), check_same_thread=False, isolation_level=None)
    await opened
    yield opened
    await opened.close()


@on_sqlite
@pytest.mark.parametrize("count", COUNTS)
async def test_all_rows_come_at_once_and_streamed(database: Database, count: int) -> None:
    asked = text(NUMBERS.format(count=count))
    async with database.reading() as session:
        assert list(await session.scalars(asked)) == list(range(1, count + 1))
        streamed = await session.stream_scalars(asked.execution_options(yield_per=64))
        assert [each async for each in streamed] == list(range(1, count + 1))
        one = await session.stream_scalars(asked)
        assert await one.first() == (1 if count else None)


@pytest.mark.parametrize(("count", "ways"), [(1, 1), (FETCHED_AT_ONCE + 1, 2)])
async def test_a_statement_takes_one_way_to_the_thread(
    connection: Connection, count: int, ways: int
) -> None:
    before = connection.asked
    cursor = connection.cursor()
    await cursor.execute(NUMBERS.format(count=count))
    assert len(await cursor.fetchall()) == count
    await cursor.close()
    await connection.rollback()  # nothing has begun
    assert connection.asked - before == ways


async def test_rows_are_fetched_as_they_are_asked_for(connection: Connection) -> None:
    cursor = connection.cursor()
    await cursor.execute(NUMBERS.format(count=3 * FETCHED_AT_ONCE))
    assert await cursor.fetchone() == (1,)
    assert await cursor.fetchmany(3) == [(2,), (3,), (4,)]
    assert [number async for (number,) in cursor] == list(range(5, 3 * FETCHED_AT_ONCE + 1))
    assert await cursor.fetchone() is None


async def test_a_cancelled_begin_is_rolled_back(connection: Connection) -> None:
    """It is executed all the same, once what was asked before is done."""
    go_on = threading.Event()
    held = asyncio.create_task(connection.in_thread(go_on.wait))
    begins = asyncio.create_task(connection.cursor().execute("BEGIN IMMEDIATE"))
    await asyncio.sleep(0)
    begins.cancel()
    back = asyncio.create_task(connection.rollback())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(held, back)
    assert connection.is_idle
    assert not connection.in_transaction


async def test_a_transaction_begins_on_the_way_of_its_first_statement(
    connection: Connection,
) -> None:
    """And to roll it back takes no way."""
    before = connection.asked
    connection.begin_by("BEGIN IMMEDIATE")
    has_begun = [connection.in_transaction]
    await connection.cursor().execute("CREATE TABLE rows (n)")
    await connection.cursor().execute("INSERT INTO rows VALUES (1)")
    has_begun.append(connection.in_transaction)
    await connection.rollback()
    has_begun.append(connection.in_transaction)
    assert has_begun == [False, True, False]
    assert connection.asked - before == 2


@pytest.mark.parametrize("ends", [Connection.commit, Connection.rollback])
async def test_a_transaction_without_a_statement_never_begins(
    connection: Connection, ends: Callable[[Connection], Awaitable[None]]
) -> None:
    connection.begin_by("BEGIN IMMEDIATE")
    await ends(connection)
    await connection.cursor().execute("SELECT 1")
    assert not connection.in_transaction


async def test_a_cancelled_first_statement_is_rolled_back(connection: Connection) -> None:
    """It begins and is executed all the same, once what was asked before is done."""
    await connection.cursor().execute("CREATE TABLE rows (n)")
    go_on = threading.Event()
    held = asyncio.create_task(connection.in_thread(go_on.wait))
    await asyncio.sleep(0)
    connection.begin_by("BEGIN IMMEDIATE")
    writes = asyncio.create_task(connection.cursor().execute("INSERT INTO rows VALUES (1)"))
    await asyncio.sleep(0)
    writes.cancel()
    back = asyncio.create_task(connection.rollback())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(held, back)
    cursor = connection.cursor()
    await cursor.execute("SELECT n FROM rows")
    assert await cursor.fetchall() == []
    assert not connection.in_transaction


@on_sqlite
async def test_a_session_asks_the_thread_for_its_statements_alone(database: Database) -> None:
    async def ways(session: AsyncSession) -> int:
        raw = await (await session.connection()).get_raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, Connection)
        return driver.asked

    async with database.reading() as session:
        before = await ways(session)
        await session.execute(text("SELECT 1"))
        await session.execute(text("SELECT 2"))
    async with database.reading() as session:
        assert await ways(session) - before == 2
