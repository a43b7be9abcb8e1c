"""What scheduled ends take from committed MRR (billing/scheduled_ends.py), looked up some at a time.

Beside what changed, those of whom an event was recorded lately are looked up again once a day: the release
before this one doesn't ask for it.
"""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.scheduled_ends import (
    IS_SAID,
    UNNOTED,
    forget_all_scheduled_ends,
    forget_scheduled_ends,
    note_scheduled_ends,
)
from service.db.context import Context
from service.db.tables import DomainEvent, Rollup, Subscription
from service.reports.turns import in_parts, is_any

NAME, VERSION = "scheduled", 1
_KEY = "scheduled-rollup"
_DAY, _STILL_STORED = timedelta(days=1), timedelta(hours=1)
_AT_ONCE, _MOST_LEFT = 2_000, 4_000


async def look_up_scheduled(context: Context) -> None:
    """Look up what isn't known. Safe to repeat and to interrupt, anywhere."""
    now, zone = context.clocks.wall(), context.settings.zone
    is_new = Rollup.name == NAME, Rollup.version == VERSION, Rollup.made_at >= now - _DAY
    if not await is_any(context, select(Rollup.name).where(*is_new)):
        async with context.database.serialised(_KEY) as session:
            made = await session.get(Rollup, NAME)
            if made is None or made.version != VERSION:
                await forget_all_scheduled_ends(session)
            elif made.made_at < now - _DAY:
                lately = DomainEvent.recorded_at >= made.made_at - _STILL_STORED
                ever = select(DomainEvent.subject_id).where(IS_SAID)
                named = DomainEvent.subject_id.in_(ever)
                whose = select(DomainEvent.subject_id).where(lately, named)
                await forget_scheduled_ends(session, whose)
            await session.merge(Rollup(name=NAME, zone=zone.key, version=VERSION, made_at=now))
    await in_parts(context, _KEY, select(Subscription.id).where(UNNOTED), _look_up_some)


async def not_looked_up(session: AsyncSession) -> list[str] | None:
    """The subscriptions that a figure looks up itself; None: all, there are too many that aren't known."""
    made = await session.get(Rollup, NAME)
    if made is None or made.version != VERSION:
        return None
    some = select(Subscription.id).where(UNNOTED).order_by(Subscription.id)
    left = list(await session.scalars(some.limit(_MOST_LEFT + 1)))
    return left if len(left) <= _MOST_LEFT else None


async def _look_up_some(session: AsyncSession) -> bool:
    return await note_scheduled_ends(session, _AT_ONCE) == _AT_ONCE
