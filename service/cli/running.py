"""What the commands share: a database that is ready, and one way to run them."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sized
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from service.cli.troubles import cause, database_errors
from service.clock import Clocks
from service.db import migrate
from service.db.business_clock import follow
from service.db.context import Context
from service.db.session import Database
from service.problems import Problem
from service.settings import Settings

P = ParamSpec("P")
_OURS = 500
"""Problems from here on aren't about what was asked."""


class CommandFailed(Exception):
    """The command can't be carried out; the message says why and what to do."""


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Say in a sentence why the database can't be used; makes the folder of an SQLite file."""
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError) as error:
        # The value isn't repeated: it may hold a password, and can't be told apart from it.
        raise CommandFailed(
            "PAYWALL_DATABASE_URL is no address: sqlite:///path or postgresql://user:password@host/name."
        ) from error
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and _is_in_memory(url):
        raise CommandFailed(
            "PAYWALL_DATABASE_URL names no file, and a database in memory ends with each command: "
            "write sqlite:///path."
        )
    try:
        if is_sqlite and url.database:
            _open_once(Path(url.database))
        yield
    except _unusable() as error:
        raise CommandFailed(
            f"The database {url.render_as_string()} can't be used: {cause(error)}. "
            "Look at PAYWALL_DATABASE_URL, and whether its server runs."
        ) from error
    except migrate.MigrationRefusedError as error:
        raise CommandFailed(
            f"The database can't be migrated: {error}. A newer release may have migrated it: use that one."
        ) from error


def _is_in_memory(url: URL) -> bool:
    """Whether SQLite makes no file for it."""
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


def _unusable() -> tuple[type[Exception], ...]:
    # A port that no machine has is an OverflowError, an option that the driver doesn't know a TypeError.
    return (OSError, ValueError, OverflowError, TypeError, *database_errors())


def _open_once(file: Path) -> None:
    """Make the file's folder, and find out here whether the file can be opened.

    aiosqlite's thread outlives a failed opening, and may find its loop closed: a traceback.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sqlite3.connect(file).close()


def new_context(settings: Settings) -> Context:
    """Of a command's own; nothing is connected yet."""
    return Context(settings, Clocks(), Database(settings.database_url))


@asynccontextmanager
async def ready(context: Context) -> AsyncIterator[None]:
    """The context's database: an empty one is migrated, an old one refused. It is left at the end.

    Business time is that of the database, which a demo may have moved.
    """
    with reaching(context.settings):
        await migrate.prepare(context.settings.database_url)
    try:
        await follow(context.database, context.clocks)
        yield
    finally:
        await context.database.dispose()


@asynccontextmanager
async def ready_context(settings: Settings) -> AsyncIterator[Context]:
    """As `ready`, of a context of its own. CommandFailed where the settings name no database."""
    with reaching(settings):
        context = new_context(settings)
    async with ready(context):
        yield context


def say_if_empty(found: Sized, sentence: str) -> None:
    """Say on standard error that a list has nothing to show: what is piped on is empty then."""
    if not found:
        print(sentence, file=sys.stderr)


@contextmanager
def failing_with(sentence: str | None = None) -> Iterator[None]:
    """A refusal of the service's as one of the command's, in its own words or in this sentence."""
    try:
        yield
    except Problem as problem:
        if problem.type.status >= _OURS:
            raise
        raise CommandFailed(sentence or problem.detail) from problem


def command(function: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Make a coroutine function a command."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(function(*args, **kwargs))

    return run
