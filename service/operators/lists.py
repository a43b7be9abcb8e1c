"""Lists for administrators and of what runs by itself: the order and the filters of each.

Each raises Problem `invalid-request` for a cursor that isn't ours.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.inbox import JOB as EVENT_JOB
from service.db.keyset import Keyset, Page
from service.db.tables import (
    ApiKey,
    AuditEntry,
    InboxEvent,
    Job,
    Operator,
    Reconciliation,
    WebhookDelivery,
)
from service.html.list_query import ListQuery
from service.operators.schemas import AuditQuery
from service.operators.system_schemas import InboxQuery, JobQuery
from service.operators.webhook_schemas import DeliveryQuery

_OPERATORS = Keyset(Operator.email, newest_first=False)
_API_KEYS = Keyset(ApiKey.created_at, ApiKey.prefix)
_AUDIT = Keyset(AuditEntry.id)
_DELIVERIES = Keyset(WebhookDelivery.created_at, WebhookDelivery.id)
_EVENTS = Keyset(InboxEvent.received_at, InboxEvent.id)
_JOBS = Keyset(Job.created_at, Job.id)
_RECONCILIATIONS = Keyset(Reconciliation.started_at, Reconciliation.id)


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


async def list_deliveries(
    session: AsyncSession, endpoint_id: str, asked: DeliveryQuery
) -> Page[WebhookDelivery]:
    """What was or is to be sent to the endpoint, the newest first."""
    statement = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if asked.status is not None:
        statement = statement.where(WebhookDelivery.status == asked.status)
    return await _DELIVERIES.page(session, statement, cursor=asked.cursor, limit=asked.limit)


async def list_events(session: AsyncSession, asked: InboxQuery) -> Page[InboxEvent]:
    """Stripe's events in the order in which we learned of them, the newest first."""
    statement = select(InboxEvent)
    if asked.held:
        open_jobs = select(Job.key).where(Job.kind == EVENT_JOB, Job.status != "done")
        statement = statement.where(InboxEvent.id.in_(open_jobs))
    return await _EVENTS.page(session, statement, cursor=asked.cursor, limit=asked.limit)


async def list_jobs(session: AsyncSession, asked: JobQuery) -> Page[Job]:
    """Jobs, the newest first."""
    statement = select(Job)
    if asked.kind:
        statement = statement.where(Job.kind == asked.kind)
    if asked.status is not None:
        statement = statement.where(Job.status == asked.status)
    return await _JOBS.page(session, statement, cursor=asked.cursor, limit=asked.limit)


async def list_reconciliations(session: AsyncSession, asked: ListQuery) -> Page[Reconciliation]:
    """Comparisons with Stripe, the newest first."""
    return await _RECONCILIATIONS.page(
        session, select(Reconciliation), cursor=asked.cursor, limit=asked.limit
    )
