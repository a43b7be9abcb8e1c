"""The work of roll-ups in parts: each a transaction of its own, in which one process works at a time."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context

Part = Callable[[AsyncSession], Awaitable[bool]]
"""Does some of the work, and says whether there may be more."""


async def in_parts(context: Context, lock: str, left: Select[Any], part: Part) -> None:
    """Do all parts. It looks first whether a row is `left`: with nothing to do it keeps no writer waiting."""
    if not await is_any(context, left):
        return
    while True:
        async with context.database.serialised(lock) as session:
            if not await part(session):
                return


async def is_any(context: Context, rows: Select[Any]) -> bool:
    async with context.database.reading() as session:
        return (await session.scalars(rows.limit(1))).first() is not None
