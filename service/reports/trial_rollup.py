"""What became of trials (finance/trials.py), looked up some at a time.

Beside what changed, those that were over lately are looked up again each night: the release before this one
doesn't ask for it.
"""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Rollup, Subscription
from service.finance.books import BOOKS_LOCK
from service.finance.trials import UNKNOWN, forget_trials, note_trials
from service.reports.period import midnight
from service.reports.turns import in_parts, is_any

NAME, VERSION = "trials", 1
_SETTLED_AFTER = timedelta(days=31)
_AT_ONCE = 2_000


async def look_up_trials(context: Context) -> None:
    """Look up what isn't known. Safe to repeat and to interrupt, anywhere."""
    now, zone = context.clocks.business(), context.settings.zone
    today = midnight(now.astimezone(zone).date(), zone)
    is_new = Rollup.name == NAME, Rollup.version == VERSION, Rollup.made_at >= today
    if not await is_any(context, select(Rollup.name).where(*is_new)):
        async with context.database.serialised(BOOKS_LOCK) as session:
            made = await session.get(Rollup, NAME)
            if made is None or made.version != VERSION:
                await forget_all_trials(session)
            elif made.made_at < today:
                lately = Subscription.trial_ended_at >= today - _SETTLED_AFTER
                await forget_trials(session, select(Subscription.id).where(lately))
            await session.merge(Rollup(name=NAME, zone=zone.key, version=VERSION, made_at=now))
    await in_parts(context, BOOKS_LOCK, select(Subscription.id).where(UNKNOWN), _look_up_some)


async def forget_all_trials(session: AsyncSession) -> None:
    """Figures look them up themselves until all are looked up again."""
    known = select(Subscription.id).where(Subscription.trial_became.is_not(None))
    await forget_trials(session, known)


async def _look_up_some(session: AsyncSession) -> bool:
    return await note_trials(session, _AT_ONCE) == _AT_ONCE
