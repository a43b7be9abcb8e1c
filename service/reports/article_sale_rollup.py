"""What was bought at the walls of articles, counted when a day is over.

A day is counted anew each night for a month, since walls and purchases may come late, and what is bought may
be given back. The wall that came last is noted at each checkout: the count is the same when the ledger's rows
have been deleted.
"""

from datetime import date, timedelta

import structlog
from sqlalchemy import delete, func, or_, select, update

from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import AccessEntry, ArticleSaleDay, RolledDay
from service.reports.queries.article_sales import note_walls, sold_on

VERSION = 2
"""Grows where the same rows count as something else: days of an older one are counted anew."""
SETTLED_AFTER = timedelta(days=31)
_COLUMNS = ("day", "article_id", "sold", "first", "gifts")

log = structlog.get_logger()


async def count_article_sales(context: Context) -> None:
    """Count each rolled up day that isn't counted, not settled, or was counted by an older definition.

    Safe to repeat and to interrupt, anywhere. Of an older definition those stay whose walls nobody knows any
    more: neither the ledger has them, nor are they noted.
    """
    today = context.clocks.business().astimezone(context.settings.zone).date()
    days = await _days(context, today)
    for day in days:
        await _count(context, day, today)
    if days:
        log.info("sales.counted", days=len(days), until=str(days[0]))


async def _days(context: Context, today: date) -> list[date]:
    """The latest first."""
    row, counted_on = RolledDay, RolledDay.sales_counted_on
    unsettled = (row.day > today - SETTLED_AFTER) & (counted_on < today)
    async with context.database.slow_reading("reports") as session:
        kept = await session.scalar(select(func.min(AccessEntry.day)))
        older = (row.sales_version < VERSION) & (row.day >= (kept or today))
        due = or_(counted_on.is_(None), unsettled, older)
        return list(await session.scalars(select(row.day).where(due).order_by(row.day.desc())))


async def _count(context: Context, day: date, today: date) -> None:
    zone = context.settings.zone
    async with context.database.slow_reading("reports") as session:
        sold = await sold_on(session, day, zone)
    async with context.database.transaction() as session:
        await note_walls(session, day, zone)
        await session.execute(delete(ArticleSaleDay).where(ArticleSaleDay.day == day))
        connection = await session.connection()
        await connection.run_sync(lambda sync: insert_rows(sync, ArticleSaleDay, _COLUMNS, sold))
        await session.execute(
            update(RolledDay)
            .where(RolledDay.day == day)
            .values(sales_counted_on=today, sales_version=VERSION)
        )
