"""A database that is given back is as new, whatever a test left in it."""

from collections.abc import Iterator

import asyncpg
import pytest

from tests.databases import RENEWED_AFTER, EmptiedDatabases
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def databases(postgres_server: PostgresServer, migrated_name: str) -> Iterator[EmptiedDatabases]:
    made = EmptiedDatabases(postgres_server, migrated_name)
    yield made
    made.close()


async def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_rows_connections_and_counters_are_gone(databases: EmptiedDatabases) -> None:
    url = databases.take()
    version = await _rows(url, "SELECT version_num FROM alembic_version")
    assert len(version) == 1
    left = await asyncpg.connect(url)
    read = (
        "INSERT INTO audit_log (at, actor, action, target) "
        "VALUES (now(), 'a', 'b', 'c') RETURNING id"
    )
    first = await left.fetchval(read)
    await left.execute("INSERT INTO readers (id, created_at) VALUES ('rdr_1', now())")
    await left.execute("UPDATE alembic_version SET version_num = 'another'")
    await left.execute("BEGIN")
    await left.execute("LOCK TABLE readers IN ACCESS EXCLUSIVE MODE")
    databases.give_back(url)
    assert databases.take() == url
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("SELECT 1")
    assert await _rows(url, "SELECT version_num FROM alembic_version") == version
    assert await _rows(url, "SELECT id FROM readers") == []
    assert await _rows(url, read) == [(first,)]


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE leftover ()",
        "ALTER TABLE readers ADD COLUMN leftover int",
        "DROP INDEX ix_access_ledger_device",
        "CREATE FUNCTION leftover() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
async def test_a_database_with_other_tables_serves_nobody_else(
    databases: EmptiedDatabases, change: str
) -> None:
    url = databases.take()
    await _rows(url, change)
    databases.give_back(url)
    assert databases.take() != url
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await _rows(url, "SELECT 1")


def test_each_is_made_anew_now_and_then(databases: EmptiedDatabases) -> None:
    first = databases.take()
    for _ in range(RENEWED_AFTER - 1):
        databases.give_back(first)
        assert databases.take() == first
    databases.give_back(first)
    assert databases.take() != first
