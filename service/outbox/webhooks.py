"""Outgoing webhooks: what is to be sent of an event to which endpoint, and how it is written.

A delivery is stored in the transaction of its event, with a job of its id that says when it is tried
(webhook_sender.py). Wall time, but for what the events themselves tell. The format is that of Standard
Webhooks: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import DomainEvent, Job, WebhookDelivery, WebhookEndpoint
from service.jobs.queue import enqueue, replay

JOB = "webhook"
"""The kind of the jobs; a job's key is its delivery's id."""
ALL_TYPES = "*"
TEST_TYPE = "webhook.test"
"""Sent when an operator asks for it, to the one endpoint."""
ROWS_STAY = timedelta(days=60)


async def put_deliveries(
    session: AsyncSession, events: Mapping[str, str], *, now: datetime
) -> None:
    """Let events, types by their ids, be sent to every enabled endpoint that asks for their type."""
    # Held until the commit, so that none is deleted meanwhile: a delivery to it couldn't be stored.
    endpoints = await session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.disabled_at.is_(None))
        .order_by(WebhookEndpoint.id)
        .with_for_update(read=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    for endpoint in endpoints:
        for event_id, type_ in events.items():
            if ALL_TYPES in endpoint.types or type_ in endpoint.types:
                await put_delivery(session, event_id=event_id, endpoint_id=endpoint.id, now=now)


async def put_delivery(
    session: AsyncSession, *, event_id: str, endpoint_id: str, now: datetime
) -> WebhookDelivery:
    """Let the event be sent to this endpoint."""
    delivery = WebhookDelivery(
        id=new_id("dlv"),
        event_id=event_id,
        endpoint_id=endpoint_id,
        status="waiting",
        attempts=0,
        last_status=None,
        last_result="",
        created_at=now,
        delivered_at=None,
    )
    session.add(delivery)
    await session.flush()
    await enqueue(session, kind=JOB, key=delivery.id, now=now)
    return delivery


async def put_test(session: AsyncSession, endpoint_id: str, now: datetime) -> WebhookDelivery:
    """Let an event that says nothing be sent to this endpoint."""
    event_id = new_id("evt")
    session.add(
        DomainEvent(
            id=event_id,
            type=TEST_TYPE,
            reader_id=None,
            subject_id=endpoint_id,
            once=f"{TEST_TYPE}:{event_id}",
            occurred_at=now,
            recorded_at=now,
            before=None,
            after=None,
        )
    )
    await session.flush()
    return await put_delivery(session, event_id=event_id, endpoint_id=endpoint_id, now=now)


async def replay_delivery(session: AsyncSession, delivery: WebhookDelivery, now: datetime) -> None:
    """Let it be sent once more, with new tries, whatever has become of it."""
    delivery.status, delivery.delivered_at = "waiting", None
    await session.flush()
    if not await replay(session, kind=JOB, key=delivery.id, now=now):
        # Jobs that are done go after some time; the delivery stays for as long.
        await enqueue(session, kind=JOB, key=delivery.id, now=now)


async def forget_jobs(session: AsyncSession, endpoint_id: str) -> None:
    """Delete the jobs of an endpoint that is about to be deleted."""
    of_endpoint = select(WebhookDelivery.id).where(WebhookDelivery.endpoint_id == endpoint_id)
    await session.execute(
        delete(Job)
        .where(Job.kind == JOB, Job.key.in_(of_endpoint))
        .execution_options(synchronize_session=False)
    )


async def prune(database: Database, now: datetime) -> None:
    """Delete deliveries that arrived long ago; what has failed stays until somebody looks at it."""
    is_old = WebhookDelivery.created_at <= now - ROWS_STAY
    await in_parts(database, delete(WebhookDelivery), WebhookDelivery.status == "delivered", is_old)


def body_of(event: DomainEvent) -> bytes:
    """What is sent of the event: the same bytes at each try, unless its reader was merged or erased."""
    # Sorted, since PostgreSQL gives the members back in an order of its own.
    return json.dumps(
        {
            "id": event.id,
            "type": event.type,
            "created_at": rfc3339(event.occurred_at),
            "data": {
                "reader_id": event.reader_id,
                "subject_id": event.subject_id,
                "before": event.before,
                "after": event.after,
            },
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def rfc3339(at: datetime) -> str:
    """`2026-03-10T09:00:00Z`, with microseconds where there are some."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def unknown_types(types: Iterable[str], known: frozenset[str]) -> list[str]:
    """Those that no event has."""
    return sorted(set(types) - known - {ALL_TYPES})
