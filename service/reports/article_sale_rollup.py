"""What was bought at the walls of articles, counted when a day is over.

A day is counted anew each night for a month, since walls and purchases may come late, and what is bought may
be given back. The wall that came last is noted at each checkout: the count is the same when the ledger's rows
have been deleted.
"""

from datetime import date, timedelta

import structlog
from sqlalchemy import delete, or_, select, update

from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import ArticleSaleDay, RolledDay
from service.reports.queries.article_sales import note_walls, sold_on
from service.reports.rollups import unless_too_slow

VERSION = 2
"""Grows where the same rows count as something else (older_days.py)."""
SETTLED_AFTER = timedelta(days=31)
_COLUMNS = ("day", "article_id", "sold", "first", "gifts")

log = structlog.get_logger()


async def count_article_sales(context: Context) -> None:
    """Count each rolled up day that isn't counted or not settled. Safe to repeat and to interrupt, anywhere.

    A day that takes too long for the database is tried again, and no other waits for it.
    """
    today = context.clocks.business().astimezone(context.settings.zone).date()
    days = await _days(context, today)
    for day in days:
        with unless_too_slow("sales", day):
            await count_sales(context, day, today)
    if days:
        log.info("sales.counted", days=len(days), until=str(days[0]))


async def _days(context: Context, today: date) -> list[date]:
    """The latest first."""
    row, counted_on = RolledDay, RolledDay.sales_counted_on
    unsettled = (row.day > today - SETTLED_AFTER) & (counted_on < today)
    async with context.database.slow_reading("reports") as session:
        due = or_(counted_on.is_(None), unsettled)
        return list(await session.scalars(select(row.day).where(due).order_by(row.day.desc())))


async def count_sales(context: Context, day: date, today: date) -> None:
    """Count one day, and note the walls that led to its purchases."""
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
