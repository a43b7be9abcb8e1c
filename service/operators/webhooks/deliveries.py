"""What became of each event on its way to an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import DomainEvent, Job, WebhookDelivery
from service.outbox.webhooks import JOB


@dataclass(frozen=True)
class DeliveryDetails:
    """What is shown of a delivery beside its row: the event's type, and when it is tried next."""

    type: str
    next_try: datetime | None


async def details_of(
    session: AsyncSession, deliveries: Sequence[WebhookDelivery]
) -> dict[str, DeliveryDetails]:
    """For each delivery by its id."""
    ids = [each.id for each in deliveries]
    types = await session.execute(
        select(WebhookDelivery.id, DomainEvent.type)
        .join(DomainEvent, DomainEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.id.in_(ids))
    )
    waiting = await session.execute(
        select(Job.key, Job.due_at).where(
            Job.kind == JOB, Job.key.in_(ids), Job.status == "waiting"
        )
    )
    due = {job.key: job.due_at for job in waiting}
    return {each.id: DeliveryDetails(each.type, due.get(each.id)) for each in types}
