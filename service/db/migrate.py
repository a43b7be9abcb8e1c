"""Migrations: which one the database is at, and bringing it to the head.

Alembic's Config is built here, in code: a wheel has no pyproject.toml or alembic.ini.
"""

from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from service.db.session import async_url

_IN_WHEEL = Path(__file__).parent / "migrations"
_IN_REPOSITORY = Path(__file__).parents[2] / "alembic"


class SchemaOutdatedError(Exception):
    """The database is at another migration than this release; the message says what to do."""


UTC = ZoneInfo("UTC")


def _config(connection: Connection | None = None, zone: ZoneInfo = UTC) -> Config:
    config = Config()
    location = _IN_WHEEL if _IN_WHEEL.exists() else _IN_REPOSITORY
    config.set_main_option("script_location", str(location))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    config.attributes["zone"] = zone
    return config


@cache
def head() -> str:
    """The revision that this release needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise RuntimeError("the migrations are missing from this installation")
    return found


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, revision: str = "head", zone: ZoneInfo = UTC) -> None:
    """`zone` is the publication's: a migration may have to find out on which day a row was written."""
    command.upgrade(_config(connection, zone), revision)


def downgrade(connection: Connection, revision: str) -> None:
    command.downgrade(_config(connection), revision)


def write_migration(message: str) -> None:
    """Write a migration file with what the tables differ by from the head (`make migration`)."""
    with create_engine("sqlite://").begin() as connection:
        upgrade(connection)
        command.revision(_config(connection), message, autogenerate=True)


def _prepare(connection: Connection) -> None:
    stands_at = current(connection)
    if stands_at == head():
        return
    if stands_at is None and not inspect(connection).get_table_names():
        upgrade(connection)
        return
    raise SchemaOutdatedError(
        f"The database is at {stands_at or 'no migration of ours'}, this release needs "
        f"{head()}. Run: paywall migrate"
    )


async def prepare(url: str) -> None:
    """Migrate an empty database; refuse an old one with `SchemaOutdatedError`."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_prepare)
    finally:
        await engine.dispose()


async def migrate(url: str, zone: ZoneInfo = UTC) -> tuple[str | None, str]:
    """Bring the database to the head. Answers the revisions before and after.

    `zone` is the publication's; an empty database needs none.
    """
    engine = create_async_engine(async_url(url))
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(current)
            await connection.run_sync(upgrade, zone=zone)
            return before, head()
    finally:
        await engine.dispose()
