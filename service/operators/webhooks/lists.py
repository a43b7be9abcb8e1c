"""The list of an endpoint's deliveries."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import WebhookDelivery
from service.operators.webhooks.deliveries import Sending, sendings_of
from service.operators.webhooks.schemas import DeliveryQuery

_DELIVERIES = Keyset(WebhookDelivery.created_at, WebhookDelivery.id)


async def list_deliveries(
    session: AsyncSession, endpoint_id: str, asked: DeliveryQuery
) -> Page[Sending]:
    """What was or is to be sent to the endpoint, the newest first.

    Problem `invalid-request` for a cursor that isn't ours.
    """
    statement = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if asked.status is not None:
        statement = statement.where(WebhookDelivery.status == asked.status)
    found = await _DELIVERIES.page(session, statement, cursor=asked.cursor, limit=asked.limit)
    return Page(await sendings_of(session, found.items), found.next_cursor)
