"""Migrations: which one the database is at, and bringing it to the head.

Alembic's Config is built here, in code: a wheel has no pyproject.toml or alembic.ini.
"""

import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, column, create_engine, inspect, select, table
from sqlalchemy.ext.asyncio import create_async_engine

from service.db.session import async_url

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(r'^revision: str = ["\'](\w+)', re.MULTILINE)
_DOWN = re.compile(r'^down_revision: str \| None = ["\'](\w+)', re.MULTILINE)
_VERSION = table("alembic_version", column("version_num"))
_IN_WHEEL = Path(__file__).parent / "migrations"
_IN_REPOSITORY = Path(__file__).parents[2] / "alembic"


class SchemaOutdatedError(Exception):
    """The database is at another migration than this release; the message says what to do."""


class MigrationRefusedError(Exception):
    """Alembic can't bring the database where it was asked to; the message is Alembic's."""


UTC = ZoneInfo("UTC")


def _location() -> Path:
    return _IN_WHEEL if _IN_WHEEL.exists() else _IN_REPOSITORY


def _alembic(
    connection: Connection | None = None, zone: ZoneInfo = UTC
) -> "tuple[ModuleType, Config]":
    """Alembic's commands, and the configuration that they take."""
    # Not above: it takes a tenth of a start, and hardly any start has something to migrate.
    from alembic.config import Config  # noqa: PLC0415

    from alembic import command  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_location()))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    config.attributes["zone"] = zone
    return command, config


@cache
def head() -> str:
    """The revision that this release needs: the one that no other is built upon.

    Found in the texts of the migrations, since running all of them takes longer than a request.
    """
    texts = [file.read_text() for file in (_location() / "versions").glob("*.py")]
    revisions = {found[1] for text in texts if (found := _REVISION.search(text))}
    heads = revisions - {found[1] for text in texts if (found := _DOWN.search(text))}
    if len(heads) != 1:
        raise RuntimeError("the migrations of this installation are incomplete: install it anew")
    return heads.pop()


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found: str | None = connection.scalar(select(_VERSION.c.version_num))
    return found


def upgrade(connection: Connection, revision: str = "head", zone: ZoneInfo = UTC) -> None:
    """`zone` is the publication's: a migration may have to find out on which day a row was written.

    Raises `MigrationRefusedError`.
    """
    from alembic.util import CommandError  # noqa: PLC0415 as in `_alembic`

    command, config = _alembic(connection, zone)
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise MigrationRefusedError(str(error)) from error


def downgrade(connection: Connection, revision: str) -> None:
    command, config = _alembic(connection)
    command.downgrade(config, revision)


def write_migration(message: str) -> None:
    """Write a migration file with what the tables differ by from the head (`make migration`)."""
    with create_engine("sqlite://").begin() as connection:
        upgrade(connection)
        command, config = _alembic(connection)
        command.revision(config, message, autogenerate=True)


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
