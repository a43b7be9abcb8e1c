"""What grants said at a past instant: former states are kept when a grant is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import FormerGrant, Grant
from service.grants.grants import GrantFacts, Source

_STATE = ("scope", "starts_at", "ends_at", "in_grace")


@dataclass(frozen=True)
class PastGrants:
    """`live` are those of the instant; `unrecorded` says how many have lost their state of then."""

    live: tuple[GrantFacts, ...]
    unrecorded: int


def keep_former(session: AsyncSession, grant: Grant, now: datetime) -> None:
    """Keep what the grant says until now; call it before the grant is changed. `now`: business time."""
    session.add(
        FormerGrant(grant_id=grant.id, until=now, **{name: getattr(grant, name) for name in _STATE})
    )


async def keep_all_former(
    session: AsyncSession,
    source: Source,
    wanted: Sequence[tuple[str, str, datetime, datetime | None]],
    now: datetime,
) -> None:
    """As `keep_former`, for those of the references that don't say this scope, start and end yet."""
    differs = or_(
        Grant.scope != bindparam("to_scope"),
        Grant.starts_at != bindparam("to_start"),
        Grant.ends_at.is_distinct_from(bindparam("to_end", type_=UtcDateTime)),
        Grant.in_grace,
    )
    state = [getattr(Grant, name) for name in _STATE]
    said = select(Grant.id, literal(now, UtcDateTime), *state).where(
        Grant.source == source, Grant.reference == bindparam("to_reference"), differs
    )
    names = ("to_reference", "to_scope", "to_start", "to_end")
    connection = await session.connection()
    await connection.execute(
        insert(FormerGrant).from_select(["grant_id", "until", *_STATE], said),
        [dict(zip(names, each, strict=True)) for each in wanted],
    )


async def grants_at(session: AsyncSession, reader_id: str, at: datetime) -> PastGrants:
    """The reader's grants that were live at `at`, as the service knew them then."""
    former = await _former(session, reader_id, at)
    rows = await session.scalars(
        select(Grant).where(
            Grant.reader_id == reader_id,
            Grant.created_at <= at,
            or_(Grant.id.in_([each.grant_id for each in former]), _live(Grant, at)),
        )
    )
    states = {each.grant_id: each for each in former}
    found = [_facts(row, states.get(row.id, row)) for row in rows]
    unrecorded = await session.scalar(
        select(func.count())
        .select_from(Grant)
        .where(
            Grant.reader_id == reader_id,
            Grant.created_at <= at,
            func.coalesce(Grant.recorded_since, Grant.updated_at) > at,
        )
    )
    return PastGrants(tuple(each for each in found if each.is_live(at)), unrecorded or 0)


async def _former(session: AsyncSession, reader_id: str, at: datetime) -> list[FormerGrant]:
    """The state of each grant at `at` that was changed since."""
    first = (
        select(func.min(FormerGrant.id))
        .join(Grant, Grant.id == FormerGrant.grant_id)
        .where(Grant.reader_id == reader_id, FormerGrant.until > at)
        .group_by(FormerGrant.grant_id)
    )
    return list(await session.scalars(select(FormerGrant).where(FormerGrant.id.in_(first))))


def _live(table: type[Grant], at: datetime) -> ColumnElement[bool]:
    return (table.starts_at <= at) & or_(table.ends_at.is_(None), table.ends_at > at)


def _facts(grant: Grant, state: Grant | FormerGrant) -> GrantFacts:
    source: Source = grant.source  # type: ignore[assignment]  # only this folder writes it
    return GrantFacts(
        id=grant.id, source=source, reference=grant.reference, scope=state.scope,
        starts_at=state.starts_at, ends_at=state.ends_at, in_grace=state.in_grace,
    )  # fmt: skip
