"""Two transactions at once, on PostgreSQL: the second begins where the first has written and not yet committed."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import text

from service.db.session import Database

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
