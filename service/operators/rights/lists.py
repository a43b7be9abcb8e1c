"""Readers with what is open to them, as Google's Subscription Linking takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import Grant, Reader
from service.grants.grants import provisional_reference

LONGEST = timedelta(days=398)
"""Google takes no later `expireTime`: what has no end is sent again by then."""
_BY_ID = Keyset(Reader.id, newest_first=False)


@dataclass(frozen=True)
class LinkedReader:
    """A reader who has something that runs, with what it is."""

    reader_id: str
    grants: Sequence[Grant]


async def linked_readers(
    session: AsyncSession, *, cursor: str | None, limit: int, now: datetime
) -> Page[LinkedReader]:
    """Readers with live grants of a plan or of everything, by their ids; provisional rights aren't among them."""
    live = (Grant.starts_at <= now) & or_(Grant.ends_at.is_(None), Grant.ends_at > now)
    wide = or_(Grant.scope == "everything", Grant.scope.startswith("plan:"))
    proven = Grant.reference != literal(provisional_reference("")).concat(Grant.reader_id)
    holding = select(Grant.reader_id).where(live, wide, proven)
    page = await _BY_ID.page(
        session, select(Reader).where(Reader.id.in_(holding), Reader.erased_at.is_(None)),
        cursor=cursor, limit=limit,
    )  # fmt: skip
    ids = [reader.id for reader in page.items]
    found = await session.scalars(
        select(Grant)
        .where(Grant.reader_id.in_(ids), live, wide, proven)
        .order_by(Grant.scope, Grant.id)
    )
    held: dict[str, list[Grant]] = {each: [] for each in ids}
    for grant in found:
        held[grant.reader_id].append(grant)
    return page.map(lambda reader: LinkedReader(reader.id, held[reader.id]))
