"""On how many devices, and from how many networks, a reader reads on a day: to see accounts that many people share.

A network is named by the keyed hash of its day (limits/addresses.py): nobody gets an address back, and no network is
known again on another day. Nothing is decided by it.
"""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.bulk import insert_rows
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import Reader, ReaderUse

KEPT = timedelta(days=31)
_MOST_REMEMBERED, _AT_ONCE = 100_000, 1_000
MOST_NOTED = 20_000
UseKind = Literal["device", "network"]


class _Use(NamedTuple):
    day: date
    reader_id: str
    kind: UseKind
    name: str


class ReaderUses:
    """Uses are noted in memory, each once a day, and written by a task; a kill may lose the last second's."""

    def __init__(self) -> None:
        self._noted: dict[_Use, None] = {}
        self._written: set[_Use] = set()

    def note(self, reader_id: str, day: date, *, device: str | None, network: str | None) -> None:
        """`day` is the publication's, `device` a pseudonym, `network` today's name of one."""
        if device is not None:
            self._add(_Use(day, reader_id, "device", device))
        if network is not None:
            self._add(_Use(day, reader_id, "network", network))

    def _add(self, use: _Use) -> None:
        # Where the database is away for long, what is new is left out: the report needs no more.
        if use not in self._written and len(self._noted) < MOST_NOTED:
            self._noted[use] = None

    async def flush(self, database: Database) -> None:
        """Write what is noted; where the database is away, it stays noted."""
        noted = tuple(self._noted)
        for start in range(0, len(noted), _AT_ONCE):
            uses = noted[start : start + _AT_ONCE]
            async with database.transaction() as session:
                await _write(session, uses)
            for use in uses:
                del self._noted[use]
            if len(self._written) > _MOST_REMEMBERED:
                self._written.clear()
            self._written.update(uses)


async def _write(session: AsyncSession, uses: Collection[_Use]) -> None:
    # Who was erased or merged since is not to come back by this.
    live = select(Reader.id).where(
        Reader.id.in_({use.reader_id for use in uses}),
        Reader.erased_at.is_(None), Reader.merged_into.is_(None),
    )  # fmt: skip
    readers = set(await session.scalars(live))
    # Sorted, so that two processes can't wait for each other's rows in a circle.
    rows = sorted(use for use in uses if use.reader_id in readers)
    connection = await session.connection()
    await connection.run_sync(
        lambda sync: insert_rows(sync, ReaderUse, _Use._fields, rows, "ON CONFLICT DO NOTHING")
    )


async def prune_reader_uses(database: Database, today: date) -> None:
    """Delete what is older than a month."""
    await in_parts(database, delete(ReaderUse), ReaderUse.day < today - KEPT)
