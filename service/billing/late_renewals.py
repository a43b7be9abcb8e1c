"""Subscriptions of which we should have heard by now, and haven't: Stripe is asked again.

A renewal's invoice takes about an hour and its webhook may be late or lost; until the slack ends
nobody is walled for that, and before it ends we have looked ourselves (billing.md, the status table).
A trial is looked at when its end comes near, so that its reader is told.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.sync import sync_subscription
from service.billing.transitions import TRIAL_WILL_END
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Subscription
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.problems import Problem

ASKED_AGAIN_AFTER = timedelta(hours=1)
_MOST = 100
_RENEWING = ("trialing", "active")

log = structlog.get_logger()


async def sync_late_renewals(context: Context, gateway: Gateway) -> int:
    """Ask once when the period is over, then hourly until Stripe reports the next; how many."""
    async with context.database.reading() as session:
        now = context.clocks.business()
        late = [*await _late(session, now), *await _ending_trials(session, now)]
    for subscription_id in late:
        try:
            await sync_subscription(context, gateway, subscription_id)
        except GatewayUnavailable as error:
            log.warning("renewals.waiting", reason=str(error))
            break
        except GatewayRefused as error:
            log.warning("renewals.refused", subscription=subscription_id, reason=str(error))
            await _set_aside(context.database, subscription_id, context.clocks.business())
        except Problem:
            raise
        except Exception:
            # One that nobody foresaw must not keep the others from being looked at.
            log.exception("renewals.failed", subscription=subscription_id)
            await _set_aside(context.database, subscription_id, context.clocks.business())
    return len(late)


async def _set_aside(database: Database, subscription_id: str, now: datetime) -> None:
    """Asked just now without success, as for another account's: the others come first next time."""
    async with database.transaction() as session:
        await session.execute(
            update(Subscription).where(Subscription.id == subscription_id).values(synced_at=now)
        )


async def _late(session: AsyncSession, now: datetime) -> list[str]:
    asked = Subscription.synced_at
    found = await session.scalars(
        select(Subscription.id)
        .where(
            Subscription.status.in_(_RENEWING),
            Subscription.current_period_end <= now,
            or_(asked < Subscription.current_period_end, asked <= now - ASKED_AGAIN_AFTER),
        )
        .order_by(asked, Subscription.id)
        .limit(_MOST)
    )
    return list(found)


async def _ending_trials(session: AsyncSession, now: datetime) -> list[str]:
    """Those not looked at since their end came near."""
    found = await session.execute(
        select(Subscription.id, Subscription.trial_end, Subscription.synced_at)
        .where(
            Subscription.status == "trialing",
            Subscription.trial_end > now,
            Subscription.trial_end <= now + TRIAL_WILL_END,
        )
        .order_by(Subscription.trial_end, Subscription.id)
    )
    return [id_ for id_, end, asked in found if end is not None and asked < end - TRIAL_WILL_END][
        :_MOST
    ]
