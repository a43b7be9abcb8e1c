"""What was bought at the walls of articles: by day where that is counted already, else from rows."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, ArticleSaleDay, Checkout, RolledDay
from service.reports.asked import Asked
from service.reports.queries.counting import Counts
from service.reports.queries.purchases import is_first, is_purchase
from service.reports.queries.source_days import spans_of

Sold = defaultdict[str, Counts]
"""By article."""
SoldOn = tuple[date, str, int, int]
"""A day, an article, how many bought at its wall, and how many of them for the first time."""
_ONE_DAY = timedelta(days=1)


async def sales(session: AsyncSession, asked: Asked) -> Subquery:
    """What was bought at the walls of articles in the period, as rows of `step`, `article`, `sold` and `first`."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    row = ArticleSaleDay
    counted = select(RolledDay.day).where(RolledDay.sales_counted_on.is_not(None))
    days = set(await session.scalars(counted.where(RolledDay.day.between(first, last))))
    all_days = (first + n * _ONE_DAY for n in range((last - first).days + 1))
    rest = [day for day in all_days if day not in days]
    # Another process may count one of them between these two statements.
    stored = select(
        asked.step_on(row.day.expression).label("step"), row.article_id.label("article"),
        row.sold.label("sold"), row.first.label("first"),
    ).where(row.day.between(first, last), row.day.not_in(rest))  # fmt: skip
    if not rest:
        return stored.subquery("sales")
    at: ColumnElement[Any] = Checkout.completed_at.expression
    bought = _bought(spans_of(rest, asked.home), asked.step_at(at)).subquery("bought")
    live = select(bought.c.step, bought.c.article, literal(1), bought.c.is_first)
    return union_all(stored, live.where(bought.c.article.is_not(None))).subquery("sales")


async def sold_by_article(session: AsyncSession, asked: Asked) -> tuple[Sold, Sold]:
    """All purchases, and those of buyers who bought for the first time."""
    rows = await sales(session, asked)
    grouping = (rows.c.step, rows.c.article)
    numbers = select(*grouping, func.sum(rows.c.sold), func.sum(rows.c.first)).group_by(*grouping)
    sold: Sold = defaultdict(lambda: defaultdict(int))
    new: Sold = defaultdict(lambda: defaultdict(int))
    for step, article, number, of_new in await session.execute(numbers):
        for place in (step, None):
            sold[article][place] += int(number)
            new[article][place] += int(of_new)
    return sold, new


async def sold_on(session: AsyncSession, day: date, zone: ZoneInfo) -> list[SoldOn]:
    """The rows of `ArticleSaleDay` for a day of the zone."""
    rows = _bought(spans_of([day], zone), literal(0)).subquery("bought")
    numbers = select(rows.c.article, func.count(), func.sum(rows.c.is_first))
    found = await session.execute(numbers.group_by(rows.c.article))
    return [(day, article, sold, new) for article, sold, new in found if article is not None]


def _bought(spans: Iterable[tuple[datetime, datetime]], step: ColumnElement[int]) -> Select[Any]:
    at = Checkout.completed_at
    return select(
        step.label("step"), _last_wall().label("article"),
        case((is_first(), 1), else_=0).label("is_first"),
    ).where(
        is_purchase(),
        or_(*((at >= since) & (at < until) for since, until in spans)),
    )  # fmt: skip


def _last_wall() -> ColumnElement[Any]:
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
