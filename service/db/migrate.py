"""Migrations: which one the database is at, and bringing it to the head.

Alembic's Config is built here, in code: a wheel has no pyproject.toml or alembic.ini.
"""

import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from time import sleep
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    column,
    create_engine,
    event,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine

from service.db.engines import async_url

if TYPE_CHECKING:
    from alembic.config import Config

_T = TypeVar("_T")
_ASKED_AGAIN_AFTER_SECONDS = 0.2

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

    Each migration is committed by itself, and first of all what `connection` has begun: an upgrade
    that was interrupted goes on where it stopped. Raises `MigrationRefusedError`.
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
    with create_engine("sqlite://").connect() as connection:
        upgrade(connection)
        command, config = _alembic(connection)
        command.revision(config, message, autogenerate=True)


def whole_transactions(engine: Engine) -> None:
    """Let SQLite's driver commit nothing by itself, which it does with what alters tables."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def _alone(connection: Connection) -> None:
    """Wait until no other process migrates this database; the lock lasts as long as the connection.

    On PostgreSQL; on SQLite the second of two fails, and leaves what the first has done. It is asked
    for again and again, since who waits in a query holds up an index that is built beside readers.
    """
    if connection.dialect.name != "postgresql":
        return
    taken = text("SELECT pg_try_advisory_lock(hashtextextended('paywall.migrate', 0))")
    while not connection.scalar(taken):
        connection.rollback()
        sleep(_ASKED_AGAIN_AFTER_SECONDS)
    connection.commit()


def _prepare(connection: Connection) -> None:
    if current(connection) == head():
        return
    connection.rollback()
    _alone(connection)
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


def _bring_to_head(connection: Connection, zone: ZoneInfo) -> tuple[str | None, str]:
    _alone(connection)
    before = current(connection)
    upgrade(connection, zone=zone)
    return before, head()


async def _connected(url: str, work: Callable[[Connection], _T]) -> _T:
    """What `work` answers on a connection of its own, which is closed afterwards with its locks."""
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        whole_transactions(engine.sync_engine)
    async with engine.connect() as connection:
        return await connection.run_sync(work)


async def prepare(url: str) -> None:
    """Migrate an empty database; refuse an old one with `SchemaOutdatedError`."""
    await _connected(url, _prepare)


async def migrate(url: str, zone: ZoneInfo = UTC) -> tuple[str | None, str]:
    """Bring the database to the head. Answers the revisions before and after.

    `zone` is the publication's; an empty database needs none.
    """
    return await _connected(url, partial(_bring_to_head, zone=zone))
