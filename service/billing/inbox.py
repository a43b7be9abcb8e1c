"""The webhook inbox: stored before Stripe is answered, applied afterwards, nothing lost.

Each event that concerns us has a job of its id (apply_event.py); the job says what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Select, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.events import concerns_us
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import InboxEvent, Job
from service.db.upsert import insert_for
from service.jobs.queue import ROWS_STAY, enqueue, replay
from service.jobs.runner import TaskName
from service.payments.gateway import StripeEvent

JOB = "stripe-event"
INBOX_TASK = TaskName("inbox")
"""Applies what is stored here."""
ToldBy = Literal["webhook", "reconcile"]
_MOST_NEXT = 200


@dataclass(frozen=True)
class InboxRow:
    """An event and its job; None: it didn't concern us."""

    event: InboxEvent
    job: Job | None


async def store_event(
    session: AsyncSession,
    event: StripeEvent,
    now: datetime,
    *,
    told_by: ToldBy = "webhook",
    applies: bool = True,
) -> bool:
    """Store the event, and the job of applying it, unless it is known; whether it was new.

    `now` is wall time. `applies` False: one that is stored afterwards asks for the same object, and
    applying that one is enough.
    """
    statement = insert_for(session, InboxEvent).values(
        id=event.id,
        type=event.type,
        object_id=event.object_id,
        customer_id=event.customer_id,
        subscription_id=event.subscription_id,
        created_at=event.created_at,
        received_at=now,
        told_by=told_by,
    )
    inserted = await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["id"]).returning(InboxEvent.id)
    )
    if inserted is not None and applies and concerns_us(event):
        await enqueue(session, kind=JOB, key=event.id, now=now)
    return inserted is not None


async def held_events(session: AsyncSession) -> list[InboxRow]:
    """What isn't applied: waiting, or given up after its last try; the oldest first."""
    statement = rows().where(Job.status != "done").order_by(InboxEvent.created_at, InboxEvent.id)
    return [InboxRow(event, job) for event, job in (await session.execute(statement)).all()]


async def next_events(session: AsyncSession, now: datetime) -> Sequence[str]:
    """The ids of events that are due to be applied, some hundreds at most, the next one first."""
    found = await session.scalars(
        select(Job.key)
        .where(Job.kind == JOB, Job.status == "waiting", Job.due_at <= now)
        .order_by(Job.due_at, Job.id)
        .limit(_MOST_NEXT)
    )
    return found.all()


async def unheard(session: AsyncSession, events: Sequence[StripeEvent]) -> list[StripeEvent]:
    """Those of the events that aren't stored yet."""
    ids = [event.id for event in events]
    known = set(await session.scalars(select(InboxEvent.id).where(InboxEvent.id.in_(ids))))
    return [event for event in events if event.id not in known]


async def why_behind(session: AsyncSession, object_id: str) -> str | None:
    """In words, which stored event about the object isn't applied; None: all are."""
    about = or_(InboxEvent.subscription_id == object_id, InboxEvent.object_id == object_id)
    statement = (
        rows()
        .where(Job.status != "done", about)
        .order_by(Job.status, InboxEvent.created_at, InboxEvent.id)
        .limit(1)
    )
    found = (await session.execute(statement)).first()
    if found is None:
        return None
    event, job = found
    if job.status == "failed":
        return f"Its event {event.id} ({event.type}) failed: {job.result}"
    return f"Its event {event.id} ({event.type}) waits to be applied."


def rows() -> Select[InboxEvent, Job]:
    """Events, each with its job where it has one."""
    return select(InboxEvent, Job).outerjoin(Job, and_(Job.kind == JOB, Job.key == InboxEvent.id))


async def replay_event(session: AsyncSession, event_id: str, now: datetime) -> bool:
    """Let an event be applied once more, with new tries; False when it has no job."""
    return await replay(session, kind=JOB, key=event_id, now=now)


async def prune(database: Database, now: datetime) -> None:
    """Forget events that Stripe itself lists no more, save those that wait or were given up."""
    held = select(Job.key).where(Job.kind == JOB, Job.status != "done")
    is_old = InboxEvent.received_at <= now - ROWS_STAY
    await in_parts(database, delete(InboxEvent), is_old, InboxEvent.id.not_in(held))
