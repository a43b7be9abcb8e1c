"""On how many devices, and from how many networks, a reader reads on a day: to see accounts that many people share.

A network is named by the keyed hash of its day (limits/addresses.py): nobody gets an address back, and no network is
known again on another day. Nothing is decided by it.
"""

from datetime import date, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import Reader, ReaderUse
from service.db.upsert import insert_for

KEPT = timedelta(days=31)
_MOST_REMEMBERED = 100_000
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
        if use not in self._written:
            self._noted[use] = None

    async def flush(self, database: Database) -> None:
        """Write what is noted; where the database is away, it stays noted."""
        noted = tuple(self._noted)
        if not noted:
            return
        async with database.transaction() as session:
            # Who was erased or merged since is not to come back by this.
            ids = {use.reader_id for use in noted}
            live = select(Reader.id).where(
                Reader.id.in_(ids), Reader.erased_at.is_(None), Reader.merged_into.is_(None)
            )
            readers = set(await session.scalars(live))
            for use in sorted(use for use in noted if use.reader_id in readers):
                statement = insert_for(session, ReaderUse).values(**use._asdict())
                await session.execute(statement.on_conflict_do_nothing())
        for use in noted:
            del self._noted[use]
        if len(self._written) > _MOST_REMEMBERED:
            self._written.clear()
        self._written.update(noted)


async def prune_reader_uses(session: AsyncSession, today: date) -> None:
    """Delete what is older than a month."""
    await session.execute(delete(ReaderUse).where(ReaderUse.day < today - KEPT))
