"""What was bought at the walls of articles, counted when a day is over.

A day is counted anew each night for a month, since walls and purchases may come late. Where the ledger's
rows have been deleted meanwhile, no number becomes lower: the wall of a purchase may be among them.
"""

from datetime import date, timedelta

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import ArticleSaleDay, RolledDay
from service.reports.queries.article_sales import SoldOn, sold_on
from service.reports.queries.kept_rows import gone_before

SETTLED_AFTER = timedelta(days=31)
_COLUMNS = ("day", "article_id", "sold", "first")

log = structlog.get_logger()


async def count_article_sales(context: Context) -> None:
    """Count each rolled up day that isn't counted or not settled. Safe to repeat and to interrupt, anywhere."""
    zone = context.settings.zone
    today = context.clocks.business().astimezone(zone).date()
    counted_on = RolledDay.sales_counted_on
    unsettled = RolledDay.day > today - SETTLED_AFTER
    async with context.database.slow_reading("reports") as session:
        days = list(
            await session.scalars(
                select(RolledDay.day)
                .where(or_(counted_on.is_(None), unsettled & (counted_on < today)))
                .order_by(RolledDay.day)
            )
        )
    for day in days:
        async with context.database.slow_reading("reports") as session:
            sold = await sold_on(session, day, zone)
            if await gone_before(session, date.min, day) is not None:
                sold = await _at_least_as_stored(session, day, sold)
        async with context.database.transaction() as session:
            await session.execute(delete(ArticleSaleDay).where(ArticleSaleDay.day == day))
            connection = await session.connection()
            await connection.run_sync(
                lambda sync, of: insert_rows(sync, ArticleSaleDay, _COLUMNS, of), sold
            )
            await session.execute(
                update(RolledDay).where(RolledDay.day == day).values(sales_counted_on=today)
            )
    if days:
        log.info("sales.counted", days=len(days), until=str(days[-1]))


async def _at_least_as_stored(session: AsyncSession, day: date, sold: list[SoldOn]) -> list[SoldOn]:
    most = {article: (number, of_new) for _, article, number, of_new in sold}
    row = ArticleSaleDay
    stored = select(row.article_id, row.sold, row.first).where(row.day == day)
    for article, number, of_new in await session.execute(stored):
        now = most.get(article, (0, 0))
        most[article] = max(number, now[0]), max(of_new, now[1])
    return [(day, article, *numbers) for article, numbers in most.items()]
