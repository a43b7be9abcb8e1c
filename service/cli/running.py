"""What the commands share: settings, a database that is ready, and one way to run them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import ParamSpec

from sqlalchemy.exc import SQLAlchemyError

from service.db import migrate
from service.db.session import Database
from service.settings import Settings

P = ParamSpec("P")


class CommandFailed(Exception):
    """The command can't be carried out; the message says why and what to do."""


@asynccontextmanager
async def ready_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings: an empty one is migrated, an old one refused."""
    try:
        await migrate.prepare(settings.database_url)
    except (OSError, ValueError, SQLAlchemyError) as error:
        raise CommandFailed(f"PAYWALL_DATABASE_URL can't be used: {error}") from error
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        await database.dispose()


def command(function: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Make a coroutine function a command."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(function(*args, **kwargs))

    return run
