"""The access ledger: every read and refusal, once.

Rows of counted reads commit with the count (meter.py). Reads by token and by a subscriber's page
hold up no answer: they are noted in memory and written in the background, once a day, holder and
article; a kill may lose the last second of them. A reader may be erased between the two.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import count
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.db.upsert import insert_for
from service.metering.store import is_device, reader_holder
from service.problems import Problem

MAX_NOTED = 50_000
"""Rows kept in memory while the database is away; the oldest go first."""
_READERS_AT_ONCE = 1_000
"""Well below the number of values that either database takes in one statement."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Entry:
    """One row of the ledger; see docs/glossary.md for the terms. `entry_at` makes it."""

    day: date
    holder: str
    id: str
    at: datetime
    article_id: str
    reader_id: str | None
    device_id: str | None
    """The device's pseudonym."""
    granted: bool
    consumed: bool
    reason: str
    wall: str | None
    window_start: datetime | None
    referrer_host: str | None
    campaign: str | None
    prompt: str | None
    once: bool


def entry_at(
    at: datetime,
    zone: ZoneInfo,
    *,
    holder: str,
    article_id: str,
    reader_id: str | None,
    device_id: str | None,
    reason: str,
    granted: bool = True,
    consumed: bool = False,
    wall: str | None = None,
    window_start: datetime | None = None,
    referrer_host: str | None = None,
    campaign: str | None = None,
    prompt: str | None = None,
    once: bool = False,
) -> Entry:
    """The row of what happened `at` (business time) in a publication of this zone.

    `holder` is whose meter it is now (metering/store.py). `once`: recorded once a day only.
    """
    return Entry(
        day=at.astimezone(zone).date(),
        holder=holder,
        id=f"{next(_rows):012x}{secrets.token_hex(8)}",
        at=at,
        article_id=article_id,
        reader_id=reader_id,
        device_id=device_id,
        granted=granted,
        consumed=consumed,
        reason=reason,
        wall=wall,
        window_start=window_start,
        referrer_host=referrer_host,
        campaign=campaign,
        prompt=prompt,
        once=once,
    )


_rows = count()


async def write_all(session: AsyncSession, entries: Sequence[Entry]) -> None:
    """Write the rows in the transaction of the reads themselves."""
    if entries:
        await session.execute(insert(AccessEntry), [vars(entry) for entry in entries])


_Key = tuple[date, str, str]


class Ledger:
    """Rows noted in this process and not yet written."""

    def __init__(self) -> None:
        self._noted: dict[_Key, Entry] = {}

    def note(self, entry: Entry) -> None:
        """Remember a row that is recorded once a day for the next `flush`; never waits."""
        if not entry.once:
            raise ValueError("only rows recorded once a day are noted")
        self._noted.setdefault((entry.day, entry.holder, entry.article_id), entry)
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
                rows = [
                    vars(_without_device(each) if each.reader_id in erased else each)
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


def _without_device(entry: Entry) -> Entry:
    """The row as an erasure leaves it."""
    holder = entry.holder
    if entry.reader_id is not None and is_device(holder):
        holder = reader_holder(entry.reader_id)
    return replace(entry, device_id=None, holder=holder)


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
