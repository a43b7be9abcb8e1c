"""What goes wrong at the database, as the Problem that a caller gets, and what is tried again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, NotSupportedError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.problems import Problem

log = structlog.get_logger()
_T = TypeVar("_T")

RETRY_AFTER_SECONDS = "5"
_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: no connection, no room for it, starting up or shutting down."""
_CANCELLED = "57014"
_DEADLOCK = "40P01"
_MOST_DEADLOCKS = 5


class NoTurn(Problem):
    """Too many slow queries of this kind ran all the time that this one waited."""

    def __init__(self) -> None:
        super().__init__(
            "database-unavailable",
            "Too many lists and searches are at work. Try again in a few seconds.",
            headers={"Retry-After": RETRY_AFTER_SECONDS},
        )


async def past_deadlocks(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """What `attempt` answers, which is one whole transaction, or safe to repeat.

    PostgreSQL ends one of two transactions that wait for each other; that one is tried again.
    """
    for _ in range(_MOST_DEADLOCKS):
        try:
            return await attempt()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                raise
            log.info("database.deadlock")
    return await attempt()


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn an unreachable database, or one that was just migrated, into a 503 that says when to come back."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        if not _is_away(error):
            raise
        log.warning("database.unavailable", reason=str(error))
        raise database_unavailable() from error


@asynccontextmanager
async def ended_in_time() -> AsyncIterator[None]:
    """Turn a statement that the database ended into a sentence."""
    try:
        yield
    except DBAPIError as error:
        is_cancelled = getattr(error.orig, "sqlstate", None) == _CANCELLED
        if not is_cancelled and str(error.orig) != "interrupted":
            raise
        log.warning("database.slow_statement_ended")
        raise Problem(
            "takes-too-long",
            "This takes longer than may be. Choose a shorter period, or ask for less at once.",
        ) from error


def _is_away(error: DBAPIError | PoolTimeoutError | OSError) -> bool:
    if isinstance(error, OSError):
        # Refused, timed out, unknown host, or several of them at once; never one about a file.
        return error.filename is None
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    if isinstance(error, NotSupportedError):
        # A migration changed what a prepared statement answers. Next time it is prepared anew.
        return True
    state: str = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_AWAY)


def database_unavailable() -> Problem:
    return Problem("database-unavailable", headers={"Retry-After": RETRY_AFTER_SECONDS})
