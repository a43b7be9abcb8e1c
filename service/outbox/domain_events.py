"""What happened to readers: one ledger, sent to the newsroom's own systems.

A row is stored in the transaction in which it happens, once for each happening, and with it what is
to be sent of it to the endpoints that ask for its type (webhooks.py).
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import DomainEvent
from service.db.upsert import insert_for
from service.outbox.event_types import EventType
from service.outbox.webhooks import put_deliveries


async def emit(
    session: AsyncSession,
    *,
    type_: EventType,
    reader_id: str | None,
    subject_id: str,
    once: str,
    occurred_at: datetime,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    now: datetime,
    is_news: bool = True,
) -> bool:
    """Store what happened unless it is known by the same `once`; whether it was new.

    `before` and `after` are plain JSON values, None where there is nothing such. `occurred_at` is
    business time, `now` wall time. What is no news, since it happened before it was imported, is sent
    to nobody.
    """
    event_id = new_id("evt")
    statement = insert_for(session, DomainEvent).values(
        id=event_id,
        type=type_,
        reader_id=reader_id,
        subject_id=subject_id,
        once=once,
        occurred_at=occurred_at,
        recorded_at=now,
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
    )
    stored = await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["once"]).returning(DomainEvent.id)
    )
    if stored is None:
        return False
    if is_news:
        await put_deliveries(session, event_id=event_id, type_=type_, now=now)
    return True
