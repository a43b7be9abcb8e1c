"""What became of uses of promotion codes (finance/promotions.py), looked up some at a time.

Beside what changed, those of subscriptions that were stored lately are looked up again once a day: the release
before this one doesn't ask for it.
"""

from datetime import timedelta

from sqlalchemy import not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Pass, PromotionUse, Rollup, Subscription
from service.finance.books import BOOKS_LOCK
from service.finance.promotions import UNKNOWN, forget_uses
from service.reports.queries.promotions import looked_up
from service.reports.turns import in_parts

NAME, VERSION = "promotions", 1
_DAY, _STILL_STORED = timedelta(days=1), timedelta(hours=1)
_AT_ONCE = 2_000


async def look_up_promotions(context: Context) -> None:
    """Look up what isn't known. Safe to repeat and to interrupt, anywhere."""
    now, zone = context.clocks.business(), context.settings.zone
    async with context.database.reading() as session:
        made = await session.get(Rollup, NAME)
    if made is None or made.version != VERSION:
        await forget_all_promotions(context)
    if made is None or made.version != VERSION or made.made_at < now - _DAY:
        async with context.database.serialised(BOOKS_LOCK) as session:
            if made is not None:
                lately = made.made_at - _STILL_STORED
                row = PromotionUse
                bought = select(Subscription.id).where(Subscription.synced_at >= lately)
                passes = select(Pass.id).where(Pass.synced_at >= lately)
                await forget_uses(
                    session, or_(row.subscription_id.in_(bought), row.pass_id.in_(passes))
                )
            await session.merge(Rollup(name=NAME, zone=zone.key, version=VERSION, made_at=now))
    unknown = select(PromotionUse.discount_id).where(UNKNOWN)
    await in_parts(context, BOOKS_LOCK, unknown, _look_up_some)


async def forget_all_promotions(context: Context, *, at_once: int = _AT_ONCE) -> None:
    """Figures look them up themselves until all are looked up again."""
    row, last = PromotionUse, ""
    while True:
        async with context.database.serialised(BOOKS_LOCK) as session:
            # Beyond the last part: what another process looks up meanwhile is as good as new.
            some = select(row.discount_id).where(row.discount_id > last, not_(UNKNOWN))
            ids = list(await session.scalars(some.order_by(row.discount_id).limit(at_once)))
            if not ids:
                return
            await forget_uses(session, row.discount_id.in_(ids))
        last = ids[-1]


async def _look_up_some(session: AsyncSession) -> bool:
    row = PromotionUse
    # Locked first, and looked up by the next statement: it sees what was stored until then.
    some = select(row.discount_id).where(UNKNOWN).order_by(row.discount_id).limit(_AT_ONCE)
    ids = list(await session.scalars(some.with_for_update()))
    if ids:
        found = looked_up(row.discount_id.in_(ids)).subquery("found")
        await session.execute(
            update(row)
            .where(row.discount_id == found.c.discount_id)
            .values(is_new=found.c.is_new, is_live=found.c.is_live, paid=found.c.paid)
            .execution_options(synchronize_session=False)
        )
    return len(ids) == _AT_ONCE
