"""Two transactions at once, on PostgreSQL: the second begins where the first has written and not yet committed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import text

from service.db.session import Database

Doing = Callable[[], Coroutine[Any, Any, Any]]
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def meanwhile(database: Database, doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin it, and return once it waits for what the caller's transaction holds, or is done."""
    task = asyncio.ensure_future(doing)
    while not task.done():
        async with database.reading() as session:
            if await session.scalar(_WAITING):
                break
    return task


def amid(
    patch: pytest.MonkeyPatch, where: Any, step: str, database: Database, doing: Doing
) -> list[asyncio.Task[Any]]:
    """Begin it once the step is reached, and take the step when it waits or is done; what was begun goes into the list."""
    usual, begun = getattr(where, step), []

    async def late(*given: Any, **named: Any) -> Any:
        patch.setattr(where, step, usual)
        begun.append(await meanwhile(database, doing()))
        return await usual(*given, **named)

    patch.setattr(where, step, late)
    return begun
