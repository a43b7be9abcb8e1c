"""What happened to readers: one ledger, sent to the newsroom's own systems.

A row is stored in the transaction in which it happens, once for each happening, and with it what is
to be sent of it to the endpoints that ask for its type (webhooks.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import DomainEvent
from service.db.upsert import insert_for
from service.outbox.event_types import EventType
from service.outbox.webhooks import put_deliveries


class Happened(TypedDict):
    """What happened. `before` and `after` are plain JSON values, None where there is nothing such;
    `occurred_at` is business time.
    """

    type_: EventType
    reader_id: str | None
    subject_id: str
    once: str
    occurred_at: datetime
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


def event_values(happened: Happened, *, now: datetime) -> dict[str, Any]:
    """The columns of its row; `now` is wall time."""
    before, after = happened["before"], happened["after"]
    return {
        "id": new_id("evt"),
        "type": happened["type_"],
        "reader_id": happened["reader_id"],
        "subject_id": happened["subject_id"],
        "once": happened["once"],
        "occurred_at": happened["occurred_at"],
        "recorded_at": now,
        "before": dict(before) if before is not None else None,
        "after": dict(after) if after is not None else None,
    }


async def emit(
    session: AsyncSession, *, now: datetime, is_news: bool = True, **happened: Unpack[Happened]
) -> bool:
    """Store what happened unless it is known by the same `once`; whether it was new. `now` is wall time.

    What is no news, since it happened before it was imported, is sent to nobody.
    """
    values = event_values(happened, now=now)
    statement = insert_for(session, DomainEvent).values(**values)
    stored = await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["once"]).returning(DomainEvent.id)
    )
    if stored is None:
        return False
    if is_news:
        await put_deliveries(session, {values["id"]: values["type"]}, now=now)
    return True


async def emit_all(session: AsyncSession, happened: Sequence[Happened], *, now: datetime) -> None:
    """As `emit`, for much that is new: nothing may be known by its `once` yet."""
    if not happened:
        return
    rows = [event_values(each, now=now) for each in happened]
    # By the ORM the column would be NULL where `emit` stores JSON's null.
    await (await session.connection()).execute(insert(DomainEvent), rows)
    await put_deliveries(session, {each["id"]: each["type"] for each in rows}, now=now)
