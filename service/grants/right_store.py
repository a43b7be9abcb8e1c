"""The list of rights from elsewhere."""

from datetime import datetime

from sqlalchemy import and_, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import Right
from service.grants.right_schemas import RightQuery
from service.identity.readers import ids_named

_NEWEST = Keyset(Right.created_at, Right.source, Right.reference)


async def list_rights(session: AsyncSession, asked: RightQuery, now: datetime) -> Page[Right]:
    """The newest first. Problem `invalid-request` for a cursor that isn't ours."""
    statement = select(Right)
    if asked.source is not None:
        statement = statement.where(Right.source == asked.source)
    if asked.query:
        statement = statement.where(
            or_(Right.reference == asked.query, Right.reader_id.in_(ids_named(asked.query)))
        )
    if asked.state is not None:
        live = and_(Right.ended_at.is_(None), or_(Right.ends_at.is_(None), Right.ends_at > now))
        statement = statement.where(live if asked.state == "live" else not_(live))
    return await _NEWEST.page(session, statement, cursor=asked.cursor, limit=asked.limit)


async def sources(session: AsyncSession) -> list[str]:
    """Those that have sent anything, in the order of their names."""
    found = await session.scalars(select(Right.source).distinct().order_by(Right.source))
    return list(found)
