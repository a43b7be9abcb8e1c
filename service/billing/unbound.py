"""Live subscriptions of what we sell whose customer at Stripe is no reader's, such as those sold by phone.

They open nothing until an operator says whose they are (bind.py): an address at Stripe proves nothing.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.sold import Sold, sold_item
from service.billing.statuses import LIVE_STATUSES
from service.db.keyset import Keyset
from service.db.tables import UnboundSubscription
from service.payments.gateway import StripeSubscription

log = structlog.get_logger()
UNBOUND = Keyset(UnboundSubscription.started_at, UnboundSubscription.id)
"""The order of their list."""


async def unbound_item(session: AsyncSession, subscription: StripeSubscription) -> Sold | None:
    """What it has of ours, if nobody but an operator can say whose it is. Its customer is no reader's.

    What was bought through a checkout is its buyer's, here or at another publication of the account.
    """
    if subscription.status not in LIVE_STATUSES or "checkout" in subscription.metadata:
        return None
    return await sold_item(session, subscription.items)


async def note_unbound(session: AsyncSession, subscription: StripeSubscription) -> bool:
    """Store or forget a subscription whose customer is no reader's; whether it is an unbound one."""
    sold = await unbound_item(session, subscription)
    row = await session.get(UnboundSubscription, subscription.id)
    if sold is None:
        if row is not None:
            await session.delete(row)
        return False
    if row is None:
        row = UnboundSubscription(id=subscription.id)
        session.add(row)
        log.warning(
            "billing.unbound", subscription=subscription.id, customer=subscription.customer_id
        )
    row.customer_id, row.offer_id = subscription.customer_id, sold.offer.id
    row.status, row.started_at = subscription.status, subscription.started_at
    await session.flush()
    return True


async def count_unbound(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(UnboundSubscription)) or 0


async def forget_unbound(session: AsyncSession, customer_id: str) -> None:
    """The customer is a reader's now."""
    await session.execute(
        delete(UnboundSubscription).where(UnboundSubscription.customer_id == customer_id)
    )


async def keep_unbound(session: AsyncSession, ids: Collection[str]) -> None:
    """Forget all but these: the others are over, though Stripe sent no webhook."""
    await session.execute(delete(UnboundSubscription).where(UnboundSubscription.id.not_in(ids)))
