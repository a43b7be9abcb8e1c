"""The webhook inbox: stored before Stripe is answered, applied afterwards, nothing lost.

An event is claimed by moving its `due_at` beyond a lease: whoever dies while applying it leaves it
to be claimed again. Applying is idempotent, so twice is harmless. Times here are wall time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.events import concerns_us
from service.db.session import Database
from service.db.tables import InboxEvent
from service.db.upsert import insert_for
from service.payments.gateway import StripeEvent

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5
_FIRST_PAUSE = timedelta(seconds=2)
OUTAGE_PAUSE = timedelta(seconds=5)
LONGEST_RESULT = 500


@dataclass(frozen=True)
class ClaimedEvent:
    id: str
    type: str
    object_id: str
    customer_id: str | None
    subscription_id: str | None
    attempts: int


async def store_event(session: AsyncSession, event: StripeEvent, now: datetime) -> bool:
    """Store the event unless it is there already; whether it was new."""
    statement = insert_for(session, InboxEvent).values(
        id=event.id,
        type=event.type,
        object_id=event.object_id,
        customer_id=event.customer_id,
        subscription_id=event.subscription_id,
        created_at=event.created_at,
        received_at=now,
        status="pending" if concerns_us(event) else "ignored",
        attempts=0,
        due_at=now,
        applied_at=None,
        result="",
    )
    inserted = await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["id"]).returning(InboxEvent.id)
    )
    return inserted is not None


async def claim_next(database: Database, now: datetime) -> ClaimedEvent | None:
    """The oldest due event, ours for the length of the lease; None when none is due."""
    async with database.transaction() as session:
        # On SQLite FOR UPDATE isn't rendered: its one writer is alone anyway.
        event = await session.scalar(
            select(InboxEvent)
            .where(InboxEvent.status == "pending", InboxEvent.due_at <= now)
            .order_by(InboxEvent.due_at, InboxEvent.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if event is None:
            return None
        event.due_at = now + LEASE
        return ClaimedEvent(
            event.id,
            event.type,
            event.object_id,
            event.customer_id,
            event.subscription_id,
            event.attempts,
        )


async def finish(
    database: Database, event: ClaimedEvent, *, result: str, ignored: bool, now: datetime
) -> None:
    """The event is applied, or ignored for the reason given."""
    await _close(
        database,
        event,
        status="ignored" if ignored else "applied",
        result=result,
        applied_at=now,
    )


async def fail(database: Database, event: ClaimedEvent, *, reason: str, now: datetime) -> bool:
    """Try again later, after the fifth time never by ourselves; whether it is quarantined."""
    attempts = event.attempts + 1
    quarantined = attempts >= MOST_ATTEMPTS
    await _close(
        database,
        event,
        status="quarantined" if quarantined else "pending",
        result=reason,
        attempts=attempts,
        due_at=now + _FIRST_PAUSE * 4 ** (attempts - 1),
    )
    return quarantined


async def postpone(database: Database, event: ClaimedEvent, *, reason: str, now: datetime) -> None:
    """Stripe was away: no fault of the event, so this is no attempt."""
    await _close(database, event, status="pending", result=reason, due_at=now + OUTAGE_PAUSE)


async def held_events(session: AsyncSession) -> list[InboxEvent]:
    """What isn't applied: waiting, or quarantined after its last try; the oldest first."""
    found = await session.scalars(
        select(InboxEvent)
        .where(InboxEvent.status.in_(["pending", "quarantined"]))
        .order_by(InboxEvent.created_at, InboxEvent.id)
    )
    return list(found)


async def replay(session: AsyncSession, event_id: str, now: datetime) -> bool:
    """Let an event be applied once more, with new tries; False when there is no such event."""
    changed = await session.execute(
        update(InboxEvent)
        .where(InboxEvent.id == event_id)
        .values(status="pending", attempts=0, due_at=now)
        .returning(InboxEvent.id)
    )
    return changed.first() is not None


async def _close(database: Database, event: ClaimedEvent, *, result: str, **values: object) -> None:
    # Only while it is pending: whoever took longer than the lease may come after the one who
    # claimed it again and has applied it.
    async with database.transaction() as session:
        await session.execute(
            update(InboxEvent)
            .where(InboxEvent.id == event.id, InboxEvent.status == "pending")
            .values(result=result[:LONGEST_RESULT], **values)
        )
