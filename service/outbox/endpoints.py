"""The newsroom's systems that receive events: made, changed, deleted, and their secrets rotated.

All times are wall time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import WebhookEndpoint
from service.outbox.webhook_signing import new_secret, seal, shown
from service.outbox.webhooks import forget_jobs

OLD_SECRET_SIGNS = timedelta(hours=24)


async def create_endpoint(
    session: AsyncSession,
    *,
    url: str,
    types: Sequence[str],
    description: str,
    sealing_key: bytes,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, and its secret as `whsec_…`, to be shown once. The URL was checked before."""
    endpoint_id, secret = new_id("whe"), new_secret()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        url=url,
        types=sorted(set(types)),
        description=description,
        secret_sealed=seal(secret, endpoint_id, sealing_key),
        old_secret_sealed=None,
        old_secret_until=None,
        created_at=now,
        disabled_at=None,
    )
    session.add(endpoint)
    await session.flush()
    return endpoint, shown(secret)


async def rotate_secret(
    session: AsyncSession, endpoint: WebhookEndpoint, *, sealing_key: bytes, now: datetime
) -> str:
    """A new secret, to be shown once; the one before it signs too for a day, any older no more."""
    secret = new_secret()
    endpoint.old_secret_sealed = endpoint.secret_sealed
    endpoint.old_secret_until = now + OLD_SECRET_SIGNS
    endpoint.secret_sealed = seal(secret, endpoint.id, sealing_key)
    await session.flush()
    return shown(secret)


async def locked_endpoint(session: AsyncSession, endpoint_id: str) -> WebhookEndpoint | None:
    """The endpoint, which nobody else changes until the transaction ends."""
    return await session.get(
        WebhookEndpoint, endpoint_id, with_for_update=True, populate_existing=True
    )


async def delete_endpoint(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Delete the endpoint, locked before, with all that is or was on its way to it."""
    await forget_jobs(session, endpoint.id)
    await session.delete(endpoint)
    await session.flush()


async def count_endpoints(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(WebhookEndpoint)) or 0
