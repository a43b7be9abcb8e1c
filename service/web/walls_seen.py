"""The walls that the newspaper's own pages show, for the ledger: the reports' stops.

A wall that unlock answers has its row from there. A page that shows a wall at once asks for no
unlock, so its wall is noted here and written in the background: once a day, holder and article,
and not where unlock has met the same wall on that day. Who sends no cookie has no holder: such
pages aren't recorded, or every crawler would be a reader who was stopped.
"""

from collections.abc import Collection
from datetime import date
from itertools import islice

import structlog
from fastapi import Request
from sqlalchemy import insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.read import Look, ReadRequest
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Reader
from service.identity.devices import pseudonym
from service.identity.touches import touch_of
from service.metering.ledger import Entry, entry_at
from service.metering.store import holder_of
from service.web.landing import campaign_of, landing_of

MAX_NOTED = 50_000
"""Rows kept in memory while the database is away; later walls aren't noted."""
_AT_ONCE = 1_000

log = structlog.get_logger()
_Key = tuple[date, str, str]


class WallsSeen:
    """Walls noted in this process and not yet written."""

    def __init__(self) -> None:
        self._noted: dict[_Key, Entry] = {}

    def note(self, entry: Entry) -> None:
        if len(self._noted) < MAX_NOTED:
            self._noted.setdefault(_key(entry), entry)

    async def flush(self, database: Database) -> None:
        """Write what was noted; where the database is away, it stays noted.

        One process at a time, so that two can't both find a wall unwritten.
        """
        while noted := dict(islice(self._noted.items(), _AT_ONCE)):
            async with database.serialised("walls seen") as session:
                written = await _walls_of(session, noted.values())
                erased = await _erased_among(session, noted.values())
                rows = [
                    {name: getattr(entry, name) for name in _COLUMNS}
                    for key, entry in noted.items()
                    if key not in written and entry.reader_id not in erased
                ]
                if rows:
                    await session.execute(insert(AccessEntry), rows)
            for key in noted:
                del self._noted[key]


_COLUMNS = [each.name for each in AccessEntry.__table__.columns if each.name != "once_key"]


def _key(entry: Entry) -> _Key:
    return entry.day, entry.holder, entry.article_id


async def _walls_of(session: AsyncSession, entries: Collection[Entry]) -> set[_Key]:
    """What the ledger has of these holders' walls on these days."""
    days = {(each.day, each.holder) for each in entries}
    found = await session.execute(
        select(AccessEntry.day, AccessEntry.holder, AccessEntry.article_id).where(
            tuple_(AccessEntry.day, AccessEntry.holder).in_(days), AccessEntry.wall.is_not(None)
        )
    )
    return {(row.day, row.holder, row.article_id) for row in found}


async def _erased_among(session: AsyncSession, entries: Collection[Entry]) -> set[str | None]:
    readers = {each.reader_id for each in entries if each.reader_id is not None}
    found = select(Reader.id).where(Reader.id.in_(readers), Reader.erased_at.is_not(None))
    return set(await session.scalars(found))


def wall_entry(request: Request, context: Context, read: ReadRequest, seen: Look) -> Entry | None:
    """The row of the wall that the caller's page shows; None: there is none, or no holder."""
    caller, settings, holder = read.caller, context.settings, holder_of(read.caller)
    if seen.wall is None or holder is None:
        return None
    landing = landing_of(request)
    touch = touch_of(landing.referrer, campaign_of(request.query_params), settings)
    return entry_at(
        context.clocks.business(), settings.zone, holder=holder, article_id=read.article.id,
        reader_id=caller.reader_id, reason=seen.outcome.reason, granted=False,
        device_id=pseudonym(caller.device_id) if caller.device_id else None,
        wall=seen.wall.kind, prompt=seen.wall.prompt, audience=seen.wall.audience, variant=seen.variant,
        window_start=seen.meter.window.start if seen.meter else None,
        meter_name=seen.meter.meter if seen.meter else None,
        referrer_host=touch.referrer_host, campaign=touch.campaign,
    )  # fmt: skip
