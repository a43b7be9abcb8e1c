"""The grants' rows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import bindparam, case, desc, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.keyset import Keyset, Page
from service.db.tables import Grant
from service.db.upsert import insert_for
from service.grants.grants import EVERYTHING, GrantFacts, Source, article_scope, plan_scope
from service.grants.history import keep_all_former, keep_former

_AT_ONCE = 500
"""Rows that are written before other requests have their turn."""


async def put_grant(
    session: AsyncSession,
    *,
    source: Source,
    reference: str,
    reader_id: str,
    scope: str,
    starts_at: datetime,
    ends_at: datetime | None,
    in_grace: bool = False,
    note: str = "",
    now: datetime,
) -> None:
    """Store the grant of this source and reference, or change it; safe to repeat.

    What it said until now is kept for explanations.
    """
    before = await _row(session, source, reference)
    if before is not None and _differs(before, scope, starts_at, ends_at, in_grace=in_grace):
        keep_former(session, before, now)
    changing = {
        "reader_id": reader_id,
        "scope": scope,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "in_grace": in_grace,
        "note": note,
        "updated_at": now,
    }
    statement = insert_for(session, Grant).values(
        id=new_id("grt"), source=source, reference=reference, created_at=now, recorded_since=now,
        **changing,
    )  # fmt: skip
    recorded_since = func.coalesce(Grant.recorded_since, Grant.updated_at)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "reference"],
            set_={**changing, "recorded_since": recorded_since},
        )
    )


class GrantTerms(NamedTuple):
    """What one of several grants says that are stored together."""

    reference: str
    reader_id: str
    scope: str
    starts_at: datetime
    ends_at: datetime | None
    note: str


async def put_grants(
    session: AsyncSession, source: Source, wanted: Sequence[GrantTerms], now: datetime
) -> None:
    """As `put_grant`, for many at once; none of them is in grace.

    One that is there stays its reader's: a merge may have given it to an account meanwhile.
    """
    for start in range(0, len(wanted), _AT_ONCE):
        await _put_some(session, source, wanted[start : start + _AT_ONCE], now)


async def _put_some(
    session: AsyncSession, source: Source, wanted: Sequence[GrantTerms], now: datetime
) -> None:
    await keep_all_former(
        session, source,
        [(each.reference, each.scope, each.starts_at, each.ends_at) for each in wanted], now,
    )  # fmt: skip
    statement = insert_for(session, Grant)
    changed = ("scope", "starts_at", "ends_at", "in_grace", "note", "updated_at")
    recorded_since = func.coalesce(Grant.recorded_since, Grant.updated_at)
    connection = await session.connection()
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "reference"],
            set_={name: statement.excluded[name] for name in changed}
            | {"recorded_since": recorded_since},
        ),
        [
            {
                **each._asdict(), "id": new_id("grt"), "source": source, "in_grace": False,
                "created_at": now, "updated_at": now, "recorded_since": now,
            }
            for each in wanted
        ],
    )  # fmt: skip


async def find_grant(session: AsyncSession, source: Source, reference: str) -> GrantFacts | None:
    found = await _row(session, source, reference)
    return facts_of(found) if found is not None else None


async def _row(session: AsyncSession, source: Source, reference: str) -> Grant | None:
    found: Grant | None = await session.scalar(
        select(Grant)
        .where(Grant.source == source, Grant.reference == reference)
        .execution_options(populate_existing=True)
    )
    return found


def _differs(
    grant: Grant, scope: str, starts_at: datetime, ends_at: datetime | None, *, in_grace: bool
) -> bool:
    said = (grant.scope, grant.starts_at, grant.ends_at, grant.in_grace)
    return said != (scope, starts_at, ends_at, in_grace)


_IS_BROAD = case((Grant.scope.startswith(article_scope("")), 0), else_=1)
_BROAD_FIRST = Keyset(_IS_BROAD, Grant.starts_at, Grant.id)
_FACTS = tuple(getattr(Grant, name) for name in GrantFacts._fields)
_BEGUN_OF_ONE = select(*_FACTS).where(
    Grant.reader_id == bindparam("reader_id"), Grant.starts_at <= bindparam("now")
)
_LIVE_PAGE = _BEGUN_OF_ONE.where(or_(Grant.ends_at.is_(None), Grant.ends_at > bindparam("now")))
_LIVE_OF_ONE = union_all(
    _BEGUN_OF_ONE.where(Grant.ends_at.is_(None)),
    _BEGUN_OF_ONE.where(Grant.ends_at > bindparam("now")),
).order_by(desc(Grant.starts_at.name), Grant.id.name)
"""Built once: that takes longer than to execute it. Two halves, so that PostgreSQL finds either by the index alone and
reads no grant that has ended, whatever it supposes of the number of a reader's grants.
"""


async def live_grants_of(session: AsyncSession, reader_id: str, now: datetime) -> list[GrantFacts]:
    """The reader's grants that are live at `now` (business time), the newest first.

    The database picks them: a reader may have thousands of old ones. Columns alone are read, which takes a fifth of the
    time: a reader may have thousands of passes that live.
    """
    found = await session.execute(_LIVE_OF_ONE, {"reader_id": reader_id, "now": now})
    return [GrantFacts._make(row) for row in found]


async def live_page(
    session: AsyncSession, reader_id: str, now: datetime, *, cursor: str | None, limit: int
) -> Page[GrantFacts]:
    """The same in pages: those of single articles, of which a reader may have thousands, come last."""
    given = {"reader_id": reader_id, "now": now}
    found = await _BROAD_FIRST.rows(session, _LIVE_PAGE, cursor=cursor, limit=limit, given=given)
    return found.map(lambda row: GrantFacts._make(row[: len(_FACTS)]))


async def other_access(
    session: AsyncSession, reader_id: str, plan: str, now: datetime
) -> GrantFacts | None:
    """What opens this plan to the reader though it wasn't bought here: the one that lasts longest."""
    held = [
        each
        for each in await live_grants_of(session, reader_id, now)
        if each.source in {"comp", "external"} and each.scope in {EVERYTHING, plan_scope(plan)}
    ]
    endless = datetime.max.replace(tzinfo=UTC)
    return max(held, key=lambda each: each.ends_at or endless, default=None)


def facts_of(grant: Grant) -> GrantFacts:
    source: Source = grant.source  # type: ignore[assignment]  # only put_grant writes it
    return GrantFacts(
        id=grant.id,
        source=source,
        reference=grant.reference,
        scope=grant.scope,
        starts_at=grant.starts_at,
        ends_at=grant.ends_at,
        in_grace=grant.in_grace,
    )
