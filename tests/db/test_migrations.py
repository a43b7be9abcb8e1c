"""The four checks of migrations: one head, up and down, tables as declared, old ones refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from service.db.tables import all_tables


def _partitions(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        return set()
    return set(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition")))


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - _partitions(connection)


def _differences(connection: Connection) -> list[object]:
    divided = _partitions(connection)
    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "include_name": lambda name, *_: name not in divided},
    )
    return list(compare_metadata(context, all_tables()))


def test_the_head_is_the_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parents[2] / "alembic"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


def test_a_start_with_nothing_to_migrate_needs_no_alembic() -> None:
    looked = "import sys, service.app, service.cli.offers; from service.db import migrate; migrate.head()"
    ended = subprocess.run(
        [sys.executable, "-c", f"{looked}; sys.exit('alembic' in sys.modules)"], check=False
    )
    assert ended.returncode == 0


async def test_the_migrated_database_equals_the_declared_tables(database_url: str) -> None:
    engine = create_async_engine(async_url(database_url))
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_migrations_go_down_and_up_again(database_url: str) -> None:
    engine = create_async_engine(async_url(database_url))
    for step, revision, expected in (
        (migrate.downgrade, "base", set()), (migrate.upgrade, "head", set(all_tables().tables)),
    ):  # fmt: skip
        async with engine.connect() as connection:
            await connection.run_sync(step, revision)
            tables = await connection.run_sync(_tables)
        assert tables - {"alembic_version"} == expected
    await engine.dispose()


async def test_an_empty_database_is_prepared_and_a_ready_one_left_alone(
    empty_database_url: str,
) -> None:
    """And the revision is the one that Alembic reads."""
    engine = create_async_engine(async_url(empty_database_url))
    async with engine.connect() as connection:
        assert await connection.run_sync(migrate.current) is None
    await migrate.prepare(empty_database_url)
    async with engine.connect() as connection:
        stored = await connection.run_sync(
            lambda given: MigrationContext.configure(given).get_current_revision()
        )
        assert await connection.run_sync(migrate.current) == stored == migrate.head()
    await engine.dispose()
    await migrate.prepare(empty_database_url)
    assert await migrate.migrate(empty_database_url) == (migrate.head(), migrate.head())


async def test_a_database_of_something_else_is_refused_with_the_command(
    empty_database_url: str,
) -> None:
    engine = create_async_engine(async_url(empty_database_url))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE others (id INTEGER)"))
    await engine.dispose()
    with pytest.raises(migrate.SchemaOutdatedError, match="paywall migrate"):
        await migrate.prepare(empty_database_url)
