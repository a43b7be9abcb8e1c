"""The staff's lists: the order and the filters of each.

Each raises Problem `invalid-request` for a cursor that isn't ours.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import ApiKey, AuditEntry, Operator
from service.html.list_query import ListQuery
from service.operators.staff.schemas import AuditQuery

_OPERATORS = Keyset(Operator.email, newest_first=False)
_API_KEYS = Keyset(ApiKey.created_at, ApiKey.prefix)
_AUDIT = Keyset(AuditEntry.at, AuditEntry.id)


async def list_operators(session: AsyncSession, asked: ListQuery) -> Page[Operator]:
    """All operators by address."""
    return await _OPERATORS.page(session, select(Operator), cursor=asked.cursor, limit=asked.limit)


async def list_api_keys(session: AsyncSession, asked: ListQuery) -> Page[ApiKey]:
    """All keys, the newest first."""
    return await _API_KEYS.page(session, select(ApiKey), cursor=asked.cursor, limit=asked.limit)


async def list_audit(session: AsyncSession, asked: AuditQuery) -> Page[AuditEntry]:
    """Who changed what, the newest first."""
    statement = select(AuditEntry)
    if actor := asked.actor.strip():
        statement = statement.where(AuditEntry.actor == actor)
    if target := asked.target.strip():
        statement = statement.where(AuditEntry.target == target)
    return await _AUDIT.page(session, statement, cursor=asked.cursor, limit=asked.limit)
