"""The runs of the comparison with Stripe, and what of ours they look at: queries."""

from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.movement_rows import is_in_mrr
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import Checkout, GiftSubscription, Pass, Reconciliation, Subscription
from service.grants.store import find_grant

STRIPE_LISTS = timedelta(days=30)
"""How long Stripe lists events."""
OVERLAP = timedelta(days=1)
"""So much before the last run we look again: an event may be listed late."""
ROWS_STAY = timedelta(days=90)
UNDER_WAY = ("open", "processing")
_OVER = ("canceled", "incomplete_expired")


async def last_run(session: AsyncSession, now: datetime) -> datetime:
    """Since when no run has mended; at first as far back as Stripe lists events."""
    last: datetime | None = await session.scalar(
        select(func.max(Reconciliation.started_at)).where(
            Reconciliation.fixed, Reconciliation.finished_at.is_not(None)
        )
    )
    earliest = now - STRIPE_LISTS
    return max(last - OVERLAP, earliest) if last is not None else earliest


async def last_booked(session: AsyncSession) -> datetime | None:
    """Since when money may lack rows here; None: none were ever filled in."""
    last: datetime | None = await session.scalar(
        select(func.max(Reconciliation.started_at)).where(
            Reconciliation.fixed,
            Reconciliation.finished_at.is_not(None),
            Reconciliation.booked.is_not(None),
        )
    )
    return last - OVERLAP if last is not None else None


async def store_run(database: Database, row: Reconciliation) -> None:
    async with database.transaction() as session:
        await session.merge(row)


async def checkouts_under_way(session: AsyncSession) -> list[Checkout]:
    """Those under way, of which Stripe knows."""
    found = await session.scalars(
        select(Checkout)
        .where(Checkout.status.in_(UNDER_WAY), Checkout.stripe_session_id.is_not(None))
        .order_by(Checkout.created_at, Checkout.id)
    )
    return list(found)


async def living_subscriptions(session: AsyncSession) -> list[str]:
    """Those of ours that aren't over."""
    found = await session.scalars(
        select(Subscription.id)
        .where(Subscription.status.not_in(_OVER))
        .order_by(Subscription.started_at, Subscription.id)
    )
    return list(found)


async def opening_passes(session: AsyncSession, now: datetime) -> list[str]:
    """Those that open something now or later, to their buyer or as a gift; of gifts those that were paid back
    are over, redeemed or not.
    """
    gift = GiftSubscription
    is_gift = and_(
        gift.id.is_not(None), gift.revoked_at.is_(None), Pass.access_stop != "refund",
        or_(gift.ends_at.is_(None), gift.ends_at > now),
    )  # fmt: skip
    found = await session.scalars(
        select(Pass.id)
        .outerjoin(gift, gift.pass_id == Pass.id)
        .where(or_(Pass.ends_at > now, is_gift))
        .order_by(Pass.starts_at, Pass.id)
    )
    return list(found)


async def is_closed(session: AsyncSession, row: Subscription) -> bool:
    """Whether a subscription that is over gives no access beyond its end, and brings nothing."""
    if await is_in_mrr(session, row.id):
        return False
    grant = await find_grant(session, "subscription", row.id)
    if grant is None or row.ended_at is None:
        return True
    return grant.ends_at is not None and grant.ends_at <= row.ended_at


async def prune_runs(database: Database, now: datetime) -> None:
    """Delete what was found long ago. `now` is business time, as the runs' own."""
    await in_parts(database, delete(Reconciliation), Reconciliation.started_at <= now - ROWS_STAY)
