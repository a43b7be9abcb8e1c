"""The access ledger: every read and refusal, once.

Rows of counted reads commit with the count (group_commit.py). All others hold up no answer: they are
noted in memory and written in the background, reads by token and of a subscriber's page once a day,
holder and article. A kill may lose the last second of them, and a reader may be erased meanwhile.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from itertools import count
from random import getrandbits
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, select

from service.db.bulk import insert_rows
from service.db.failures import past_deadlocks
from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.identity.touches import Touch, record_touches
from service.jobs.runner import TaskName
from service.metering.store import is_device, reader_holder
from service.problems import Problem

MAX_NOTED = 50_000
"""Rows kept in memory while the database is away; the oldest go first."""
_AT_ONCE = 1_000
"""Rows written in one transaction; well below what either database takes in one statement."""

LEDGER_TASK = TaskName("ledger")
log = structlog.get_logger()


class Entry(NamedTuple):
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
    audience: str | None
    """Who it was, to prompts, where that was asked."""
    variant: str | None
    """Of an experiment, as `experiment/variant`."""
    meter_name: str | None = None


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
    audience: str | None = None,
    variant: str | None = None,
    meter_name: str | None = None,
) -> Entry:
    """The row of what happened `at` (business time) in a publication of this zone.

    `holder` is whose meter it is now (metering/store.py). `once`: recorded once a day only.
    """
    return Entry(
        at.astimezone(zone).date(), holder, _row_id(), at,
        article_id, reader_id, device_id, granted, consumed, reason, wall, window_start,
        referrer_host, campaign, prompt, once, audience, variant, meter_name,
    )  # fmt: skip


_rows = count()


def _row_id() -> str:
    return f"{next(_rows):012x}{getrandbits(64):016x}"


def row_of_device(row: Entry, at: datetime, zone: ZoneInfo, holder: str, device: str) -> Entry:
    """The row of another device's read `at` this time, which differs in nothing else."""
    day = at.astimezone(zone).date()
    # `_replace` takes five times as long.
    return tuple.__new__(
        Entry, (day, holder, _row_id(), at, row.article_id, None, device, *row[_AFTER_DEVICE:])
    )


_AFTER_DEVICE = Entry._fields.index("device_id") + 1


class Noted(NamedTuple):
    """A row that is written in the background, and what led the holder here (None: nothing new)."""

    entry: Entry
    touch: Touch | None

    def again(self, at: datetime, zone: ZoneInfo) -> "Noted":
        """The same once more `at` this time."""
        day, holder = at.astimezone(zone).date(), self.entry.holder
        row = tuple.__new__(Entry, (day, holder, _row_id(), at, *self.entry[4:]))
        return Noted(row, self.touch)


def write_all(
    connection: Connection, entries: Iterable[Entry], *, known_stay: bool = False
) -> None:
    """Write the rows. `known_stay`: but for those that are there, or are recorded once and have been."""
    ending = "ON CONFLICT DO NOTHING" if known_stay else ""
    insert_rows(connection, AccessEntry, Entry._fields, entries, ending)


class Ledger:
    """Rows noted in this process and not yet written."""

    def __init__(self) -> None:
        self._once: dict[tuple[date, str, str], Entry] = {}
        self._others: deque[Noted] = deque()
        self._dropped = 0

    def note(self, entry: Entry, touch: Touch | None = None) -> None:
        """Remember a row, and what led the holder here, for the next `flush`; never waits."""
        if entry.once:
            self._once.setdefault((entry.day, entry.holder, entry.article_id), entry)
        else:
            self._others.append(Noted(entry, touch))
        if len(self._once) + len(self._others) > MAX_NOTED:
            self._dropped += 1
            if self._others:
                self._others.popleft()
            else:
                del self._once[next(iter(self._once))]

    @property
    def is_behind(self) -> bool:
        """Whether many rows wait, as they do after a `flush` that took long: a pause might let more come than are kept."""
        return len(self._others) >= _AT_ONCE

    async def flush(self, database: Database) -> int:
        """Write what was noted by now; how many rows it was. What can't be written stays noted."""
        if self._dropped:
            log.warning("ledger.overflow", kept=MAX_NOTED, dropped=self._dropped)
            self._dropped = 0
        written, others, once = 0, len(self._others), list(self._once)
        try:
            for start in range(0, others, _AT_ONCE):
                written += await self._write_next(database, min(_AT_ONCE, others - start))
            for start in range(0, len(once), _AT_ONCE):
                keys = once[start : start + _AT_ONCE]
                # Sorted, so that two processes can't wait for each other's rows in a circle.
                rows = [Noted(self._once[key], None) for key in sorted(keys) if key in self._once]
                await _written(database, rows)
                for key in keys:
                    self._once.pop(key, None)
                written += len(rows)
        except Problem as problem:
            waiting = len(self._once) + len(self._others)
            log.warning("ledger.waiting", rows=waiting, detail=problem.detail)
        return written

    async def _write_next(self, database: Database, count: int) -> int:
        rows = [self._others.popleft() for _ in range(min(count, len(self._others)))]
        try:
            await _written(database, rows)
        except BaseException:
            # Perhaps they were written and only the answer was lost: then they stay as they are.
            self._others.extendleft(reversed(rows))
            raise
        return len(rows)


async def _written(database: Database, rows: Sequence[Noted]) -> None:
    await past_deadlocks(lambda: database.in_one_go(partial(_write, rows)))


def _write(rows: Sequence[Noted], connection: Connection) -> None:
    readers = {entry.reader_id for entry, _ in rows if entry.reader_id is not None}
    erased = _erased_among(connection, readers)
    entries = [_without_device(e) if e.reader_id in erased else e for e, _ in rows]
    write_all(connection, entries, known_stay=True)
    touches = [
        (entry.holder, touch, entry.at)
        for entry, touch in rows
        if touch is not None and entry.reader_id not in erased
    ]
    record_touches(connection, touches)


def _without_device(entry: Entry) -> Entry:
    """The row as an erasure leaves it."""
    holder = entry.holder
    if entry.reader_id is not None and is_device(holder):
        holder = reader_holder(entry.reader_id)
    return entry._replace(device_id=None, holder=holder)


def _erased_among(connection: Connection, readers: Collection[str]) -> set[str]:
    """Those who were erased since. An erasure that isn't committed yet sweeps up after itself."""
    if not readers:
        return set()
    found = select(Reader.id).where(Reader.id.in_(readers), Reader.erased_at.is_not(None))
    return set(connection.scalars(found))
