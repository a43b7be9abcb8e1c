"""Comps: access that the newsroom gives away, each with its own end."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Grant
from service.grants.grants import EVERYTHING
from service.grants.history import keep_former
from service.identity.audit import record
from service.identity.readers import find_reader, is_erased, settled_reader
from service.problems import Problem, invalid_field

LONGEST_NOTE = 500


async def comped_until(
    session: AsyncSession, reader_ids: Collection[str], now: datetime
) -> dict[str, datetime | None]:
    """Until when each of the readers who have a comp now has one; None: until it is revoked."""
    found = await session.execute(
        select(Grant.reader_id, Grant.ends_at).where(
            Grant.reader_id.in_(reader_ids), Grant.source == "comp", Grant.starts_at <= now,
            or_(Grant.ends_at.is_(None), Grant.ends_at > now),
        )
    )  # fmt: skip
    until: dict[str, datetime | None] = {}
    for reader_id, ends_at in found:
        last = until.get(reader_id, ends_at)
        until[reader_id] = max(last, ends_at) if last and ends_at else None
    return until


async def give_comp(
    session: AsyncSession,
    *,
    reader_id: str,
    ends_at: datetime | None,
    note: str,
    actor: str,
    now: datetime,
) -> Grant:
    """Give a reader access from now until `ends_at` (None: until revoked), and audit it.

    `now` is business time. Raises the problems `invalid-request`, for a note without a word too, and `not-found`.
    """
    if not note.strip():
        raise invalid_field("body.note", "Write why access is given: colleagues will ask.")
    reader_id = await settled_reader(session, reader_id)
    if await find_reader(session, reader_id) is None or await is_erased(session, reader_id):
        raise Problem("not-found", "Reader not found. Check the id in the list of readers.")
    if ends_at is not None and ends_at <= now:
        raise Problem("invalid-request", "The end lies in the past. Choose a later instant.")
    grant = Grant(
        id=new_id("grt"),
        reader_id=reader_id,
        source="comp",
        reference=new_id("cmp"),
        scope=EVERYTHING,
        starts_at=now,
        ends_at=ends_at,
        in_grace=False,
        note=note.strip()[:LONGEST_NOTE],
        created_at=now,
        updated_at=now,
        recorded_since=now,
    )
    session.add(grant)
    await session.flush()
    await record(
        session,
        actor=actor,
        action="comp.give",
        target=grant.id,
        after=_shown(grant),
        now=now,
    )
    return grant


async def revoke_comp(
    session: AsyncSession,
    grant_id: str,
    *,
    actor: str,
    now: datetime,
    reader_id: str | None = None,
) -> Grant:
    """End a comp now. Repeating it changes nothing; a subscription's grant isn't ours to end.

    `reader_id` is whose it must be; None: anybody's.
    """
    grant = await session.get(Grant, grant_id, with_for_update=True, populate_existing=True)
    if (
        grant is None
        or grant.source != "comp"
        or (reader_id is not None and grant.reader_id != reader_id)
    ):
        raise Problem("not-found", "Complimentary access not found. End subscriptions at Stripe.")
    if grant.ends_at is not None and grant.ends_at <= now:
        return grant
    before = _shown(grant)
    keep_former(session, grant, now)
    grant.ends_at = max(now, grant.starts_at)
    grant.updated_at = now
    await session.flush()
    await record(
        session,
        actor=actor,
        action="comp.revoke",
        target=grant.id,
        before=before,
        after=_shown(grant),
        now=now,
    )
    return grant


def _shown(grant: Grant) -> dict[str, str | None]:
    return {
        "reader": grant.reader_id,
        "scope": grant.scope,
        "starts_at": grant.starts_at.isoformat(),
        "ends_at": grant.ends_at.isoformat() if grant.ends_at else None,
        "note": grant.note,
    }
