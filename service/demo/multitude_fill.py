"""Storing a multitude, at once or in several goes."""

from collections.abc import Callable
from datetime import date

from sqlalchemy import select, text

from service.db.context import Context
from service.db.load import load
from service.db.session import Database
from service.db.tables import AuditEntry
from service.demo.multitude import VERSION, Multitude
from service.identity.audit import record

_SAID_EVERY = 200_000
_FILLED = "demo.multitude"


class RowsChanged(Exception):
    """What was interrupted had other rows than this release has."""


async def fill(
    database: Database, of: Multitude, say: Callable[[str], None], *, goes_on: bool = False
) -> None:
    """Store all of it, and tell the planner; `say` gets a line a table, and one for each part of a large one.

    Into a database without it, or to go on with what an earlier call began.
    """
    for table, columns, rows in of.tables():
        count = said = 0
        async for count in load(database, table, columns, rows, goes_on=goes_on):
            if count >= said + _SAID_EVERY:
                said = count
                say(f"{table.__tablename__}: {count:,} …")
        say(f"{table.__tablename__}: {count:,}")
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))


async def invent(context: Context, subscribers: int, say: Callable[[str], None]) -> None:
    """Fill a demo; what was interrupted goes on, with the number of subscribers that it was begun with."""
    begun = await unfinished(context)
    of = begun or Multitude(subscribers, context.clocks.business().date())
    if begun is None:
        await _note(context, of, is_whole=False)
    await fill(context.database, of, say, goes_on=begun is not None)
    await _note(context, of, is_whole=True)


async def unfinished(context: Context) -> Multitude | None:
    """What a demo was to be filled with when that was interrupted; RowsChanged where it can't go on."""
    async with context.database.reading() as session:
        row = await session.scalar(
            select(AuditEntry)
            .where(AuditEntry.action == _FILLED)
            .order_by(AuditEntry.id.desc())
            .limit(1)
        )
    if row is None or row.after is None or row.after["is_whole"]:
        return None
    if row.after.get("version") != VERSION:
        raise RowsChanged
    return Multitude(row.after["subscribers"], date.fromisoformat(row.after["today"]))


async def _note(context: Context, of: Multitude, *, is_whole: bool) -> None:
    async with context.database.transaction() as session:
        await record(
            session, actor="demo", action=_FILLED, target="multitude",
            after={
                "subscribers": of.subscribers, "today": of.today.isoformat(), "is_whole": is_whole,
                "version": VERSION,
            },
            now=context.clocks.business(),
        )  # fmt: skip
