"""What was bought at the walls of articles: by day where that is counted already, else from rows."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.tables import AccessEntry, ArticleSaleDay, Checkout, RolledDay
from service.reports.asked import Asked
from service.reports.queries.counting import Counts
from service.reports.queries.source_days import spans_of

Sold = defaultdict[str, Counts]
"""By article."""
SoldOn = tuple[date, str, int, int]
"""A day, an article, how many bought at its wall, and how many of them for the first time."""
_ONE_DAY = timedelta(days=1)


async def sold_by_article(session: AsyncSession, asked: Asked) -> tuple[Sold, Sold]:
    """All purchases, and those of buyers who bought for the first time."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    row = ArticleSaleDay
    counted = select(RolledDay.day).where(RolledDay.sales_counted_on.is_not(None))
    days = set(await session.scalars(counted.where(RolledDay.day.between(first, last))))
    stored = await session.execute(
        select(row.day, row.article_id, row.sold, row.first).where(
            row.day.between(first, last), row.day.in_(counted)
        )
    )
    found: list[tuple[int, str | None, int, int]] = [
        (asked.step_of(day), article, number, of_new) for day, article, number, of_new in stored
    ]
    all_days = (first + n * _ONE_DAY for n in range((last - first).days + 1))
    if spans := spans_of([day for day in all_days if day not in days], asked.home):
        at: ColumnElement[Any] = Checkout.completed_at.expression
        bought = _bought(spans, asked.step_at(at))
        found += [
            (step, article, number, of_new)
            for step, article, number, of_new in await session.execute(_grouped(bought))
        ]
    sold: Sold = defaultdict(lambda: defaultdict(int))
    new: Sold = defaultdict(lambda: defaultdict(int))
    for step, article, number, of_new in found:
        if article is not None:
            for place in (step, None):
                sold[article][place] += number
                new[article][place] += of_new
    return sold, new


async def sold_on(session: AsyncSession, day: date, zone: ZoneInfo) -> list[SoldOn]:
    """The rows of `ArticleSaleDay` for a day of the zone."""
    found = await session.execute(_grouped(_bought(spans_of([day], zone), literal(0))))
    return [(day, article, sold, new) for _, article, sold, new in found if article is not None]


def _grouped(bought: Select[Any]) -> Select[Any]:
    rows = bought.subquery("bought")
    grouping = (rows.c.step, rows.c.article)
    return select(*grouping, func.count(), func.sum(rows.c.is_first)).group_by(*grouping)


def _bought(spans: Iterable[tuple[datetime, datetime]], step: ColumnElement[int]) -> Select[Any]:
    at, earlier = Checkout.completed_at, aliased(Checkout)
    has_bought = (
        select(literal(1))
        .where(
            earlier.reader_id == Checkout.reader_id,
            earlier.status == "completed",
            earlier.completed_at < Checkout.completed_at,
        )
        .exists()
    )
    return select(
        step.label("step"), last_wall().label("article"),
        case((has_bought, 0), else_=1).label("is_first"),
    ).where(
        Checkout.status == "completed",
        or_(*((at >= since) & (at < until) for since, until in spans)),
    )  # fmt: skip


def last_wall() -> ColumnElement[Any]:
    """The article whose wall the buyer met last before a checkout; of a pass for one article, that."""
    entry = AccessEntry
    theirs = or_(
        entry.reader_id == Checkout.reader_id,
        and_(entry.device_id == Checkout.device_id, entry.reader_id.is_(None)),
    )
    wall = (
        select(entry.article_id)
        .where(theirs, entry.wall.is_not(None), entry.at <= Checkout.created_at)
        .order_by(entry.at.desc(), entry.id.desc())
        .limit(1)
        .correlate(Checkout)
        .scalar_subquery()
    )
    return func.coalesce(Checkout.article_id, wall)
