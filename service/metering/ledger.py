"""The access ledger: every read and refusal, once.

Rows of counted reads commit with the count (`write`). Reads by token and by a subscriber's page
wait for nothing: they are noted in memory and written in the background, once a reader, article and
day; a kill may lose the last second of them. A reader may be erased between the two.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import Depends
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.db.upsert import insert_for
from service.problems import Problem
from service.running import part

MAX_NOTED = 50_000
"""Rows kept in memory while the database is away; the oldest go first."""
_READERS_AT_ONCE = 1_000
"""Well below the number of values that either database takes in one statement."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Entry:
    """One row of the ledger; see docs/glossary.md for the terms."""

    at: datetime
    article_id: str
    reader_id: str | None
    device_id: str | None
    granted: bool
    consumed: bool
    reason: str
    wall: str | None = None
    window_start: datetime | None = None
    referrer_host: str | None = None
    once_key: str | None = None


async def write(session: AsyncSession, entry: Entry) -> None:
    """Write the row in the transaction of the read itself."""
    await session.execute(insert(AccessEntry).values(**vars(entry)))


def once_a_day(holder: str, article_id: str, at: datetime) -> str:
    """The key under which a read is recorded once a reader, article and (UTC) day."""
    return f"{at:%Y-%m-%d}/{holder}/{article_id}"


class Ledger:
    """Rows noted in this process and not yet written."""

    def __init__(self) -> None:
        self._noted: dict[str, Entry] = {}

    def note(self, entry: Entry) -> None:
        """Remember a row with a `once_key` for the next `flush`; never waits."""
        if entry.once_key is None:
            raise ValueError("only rows recorded once a day are noted")
        self._noted.setdefault(entry.once_key, entry)
        if len(self._noted) > MAX_NOTED:
            self._noted.pop(next(iter(self._noted)))
            log.warning("ledger.overflow", kept=MAX_NOTED)

    async def flush(self, database: Database) -> int:
        """Write what was noted and answer how many rows it was; on failure all stay noted."""
        batch = dict(self._noted)
        if not batch:
            return 0
        # Sorted, so that two processes can't wait for each other's rows in a circle.
        entries = [batch[key] for key in sorted(batch)]
        readers = sorted({each.reader_id for each in entries if each.reader_id is not None})
        try:
            async with database.transaction() as session:
                erased = await _erased_among(session, readers)
                # What the erasure blanks in rows that stood there already.
                rows = [
                    vars(each) | ({"device_id": None} if each.reader_id in erased else {})
                    for each in entries
                ]
                await session.execute(
                    insert_for(session, AccessEntry).on_conflict_do_nothing(), rows
                )
        except Problem as problem:
            log.warning("ledger.waiting", rows=len(entries), detail=problem.detail)
            return 0
        for key in batch:
            self._noted.pop(key, None)
        return len(entries)


async def _erased_among(session: AsyncSession, readers: list[str]) -> set[str]:
    """Those who were erased since. An erasure that isn't committed yet sweeps up after itself."""
    erased: set[str] = set()
    for start in range(0, len(readers), _READERS_AT_ONCE):
        asked = readers[start : start + _READERS_AT_ONCE]
        erased.update(
            await session.scalars(
                select(Reader.id).where(Reader.id.in_(asked), Reader.erased_at.is_not(None))
            )
        )
    return erased


AppLedger = Annotated[Ledger, Depends(part(Ledger))]
