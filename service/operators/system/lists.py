"""The lists of what runs by itself: the order and the filters of each.

Each raises Problem `invalid-request` for a cursor that isn't ours.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.inbox import JOB as EVENT_JOB
from service.db.keyset import Keyset, Page
from service.db.tables import InboxEvent, Job, Reconciliation
from service.html.list_query import ListQuery
from service.operators.system.schemas import InboxQuery, JobQuery
from service.operators.system.system import InboxEntry, inbox_entries

_EVENTS = Keyset(InboxEvent.received_at, InboxEvent.id)
_JOBS = Keyset(Job.created_at, Job.id)
_RECONCILIATIONS = Keyset(Reconciliation.started_at, Reconciliation.id)


async def list_events(session: AsyncSession, asked: InboxQuery) -> Page[InboxEntry]:
    """Stripe's events in the order in which we learned of them, the newest first."""
    statement = select(InboxEvent)
    if asked.held:
        open_jobs = select(Job.key).where(Job.kind == EVENT_JOB, Job.status != "done")
        statement = statement.where(InboxEvent.id.in_(open_jobs))
    found = await _EVENTS.page(session, statement, cursor=asked.cursor, limit=asked.limit)
    return Page(await inbox_entries(session, found.items), found.next_cursor)


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
