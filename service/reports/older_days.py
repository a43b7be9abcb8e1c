"""Days that were counted by an older definition, counted anew: some each round, as nothing waits for them."""

from datetime import date
from typing import NamedTuple

import structlog
from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import AccessEntry, HolderDay, RolledDay
from service.reports import article_sale_rollup, day_rollup
from service.reports.article_sale_rollup import count_sales
from service.reports.day_rollup import count_buyers, count_day
from service.reports.rollups import unless_too_slow

AT_ONCE = 20
"""Days of one round: the steps before it come again after these."""

log = structlog.get_logger()


class _OlderDay(NamedTuple):
    """What is counted anew of a day: its holders, or where that can't be, its buyers; and its sales."""

    day: date
    by_holders: bool | None
    by_buyers: bool
    by_sales: bool | None


async def count_older_days(
    context: Context, before: date = date.max, *, at_once: int = AT_ONCE
) -> date:
    """Count the latest of them before a day, as somebody looks at them; answers the last one: the next round is
    of those before it. `date.max`: there are no more, and a round from the start finds those that took too long.

    Where days of holders that a day looked back to are deleted, only its buyers are counted, who come from
    checkouts alone; what articles sold stays where the ledger's rows are deleted.
    """
    today = context.clocks.business().astimezone(context.settings.zone).date()
    async with context.database.slow_reading("reports") as session:
        days = await _older_days(session, before, at_once)
    for each in days:
        with unless_too_slow("older", each.day):
            if each.by_holders:
                await count_day(context, each.day, today, with_sources=False)
            elif each.by_buyers:
                await count_buyers(context, each.day)
            if each.by_sales:
                await count_sales(context, each.day, today)
    if days:
        log.info("ledger.counted_anew", days=len(days), since=str(days[-1].day))
    return days[-1].day if len(days) == at_once else date.max


async def _older_days(session: AsyncSession, before: date, at_once: int) -> list[_OlderDay]:
    row = RolledDay
    holders_kept = select(func.min(HolderDay.day)).scalar_subquery()
    ledger_kept = select(func.min(AccessEntry.day)).scalar_subquery()
    by_buyers = and_(row.counted_on.is_not(None), row.counted_version < day_rollup.VERSION)
    by_sales = and_(
        row.sales_counted_on.is_not(None), row.sales_version < article_sale_rollup.VERSION,
        row.day >= ledger_kept,
    )  # fmt: skip
    found = await session.execute(
        select(row.day, and_(by_buyers, row.looked_back_to >= holders_kept), by_buyers, by_sales)
        .where(row.day < before, or_(by_buyers, by_sales))
        .order_by(row.day.desc())
        .limit(at_once)
    )
    return [_OlderDay(*each) for each in found]
