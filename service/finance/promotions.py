"""What became of each use of a promotion code is kept with it for reports (`is_new`, `is_live`, `paid`).

It follows from the subscription, its movements and invoices, or from the pass. A change of these takes it away in
the same transaction; until it is looked up again a report does that itself.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import PromotionUse

UNKNOWN = PromotionUse.paid.is_(None)


async def forget_promotions(
    session: AsyncSession, subscription_ids: Collection[str] | Select[Any]
) -> None:
    """Let what became of the uses by these subscriptions be looked up again."""
    await forget_uses(session, PromotionUse.subscription_id.in_(subscription_ids))


async def forget_uses(session: AsyncSession, *of: ColumnElement[bool]) -> None:
    """The same of these uses."""
    row = PromotionUse
    # Whatever they say: one that is being looked up in this moment is waited for. In the order in which
    # they are looked up: neither ends up waiting for the other.
    locked = select(row.discount_id).where(*of).order_by(row.discount_id).with_for_update()
    await session.execute(
        update(row)
        .where(row.discount_id.in_(locked))
        .values(is_new=None, is_live=None, paid=None)
        .execution_options(synchronize_session=False)
    )
