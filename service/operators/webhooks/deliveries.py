"""What became of each event on its way to an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import DomainEvent, Job, WebhookDelivery
from service.outbox.webhooks import JOB


@dataclass(frozen=True)
class Sending:
    """A delivery, the type of its event, and when it is tried next."""

    delivery: WebhookDelivery
    type: str
    next_try: datetime | None


async def sendings_of(
    session: AsyncSession, deliveries: Sequence[WebhookDelivery]
) -> list[Sending]:
    """The deliveries in the same order, with what other rows know of them."""
    ids = [each.id for each in deliveries]
    found = await session.execute(
        select(WebhookDelivery.id, DomainEvent.type)
        .join(DomainEvent, DomainEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.id.in_(ids))
    )
    types = {row.id: row.type for row in found}
    waiting = await session.execute(
        select(Job.key, Job.due_at).where(
            Job.kind == JOB, Job.key.in_(ids), Job.status == "waiting"
        )
    )
    due = {job.key: job.due_at for job in waiting}
    return [Sending(each, types[each.id], due.get(each.id)) for each in deliveries]


async def sending_of(session: AsyncSession, delivery: WebhookDelivery) -> Sending:
    (found,) = await sendings_of(session, [delivery])
    return found
