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
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, ArticleSaleDay, Checkout, Reader, RolledDay
from service.reports.asked import Asked
from service.reports.queries.counting import Counts
from service.reports.queries.purchases import is_first, is_for_oneself, is_purchase
from service.reports.queries.source_days import spans_of

Sold = defaultdict[str, Counts]
"""By article."""
SoldOn = tuple[date, str, int, int, int]
"""A day, an article, how many bought at its wall, how many of them for the first time, and how many gifts."""
_ONE_DAY = timedelta(days=1)


async def sales(session: AsyncSession, asked: Asked) -> Subquery:
    """What was bought at the walls of articles in the period, by `step` and `article`: `sold`, `first` and `gifts`."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    row = ArticleSaleDay
    counted = select(RolledDay.day).where(RolledDay.sales_counted_on.is_not(None))
    days = set(await session.scalars(counted.where(RolledDay.day.between(first, last))))
    all_days = (first + n * _ONE_DAY for n in range((last - first).days + 1))
    rest = [day for day in all_days if day not in days]
    # Another process may count one of them between these two statements.
    stored = select(
        asked.step_on(row.day.expression).label("step"), row.article_id.label("article"),
        row.sold.label("sold"), row.first.label("first"), row.gifts.label("gifts"),
    ).where(row.day.between(first, last), row.day.not_in(rest))  # fmt: skip
    if not rest:
        return stored.subquery("sales")
    at: ColumnElement[Any] = Checkout.completed_at.expression
    bought = _bought(spans_of(rest, asked.home), asked.step_at(at)).subquery("bought")
    live = select(
        bought.c.step, bought.c.article, bought.c.is_own, bought.c.is_first, 1 - bought.c.is_own
    )
    return union_all(stored, live.where(bought.c.article.is_not(None))).subquery("sales")


async def sold_by_article(session: AsyncSession, asked: Asked) -> tuple[Sold, Sold, Sold]:
    """What buyers bought for themselves, of that what they bought first, and gifts for others."""
    rows = await sales(session, asked)
    grouping = (rows.c.step, rows.c.article)
    sums = (func.sum(each) for each in (rows.c.sold, rows.c.first, rows.c.gifts))
    sold: Sold = defaultdict(lambda: defaultdict(int))
    new: Sold = defaultdict(lambda: defaultdict(int))
    gifts: Sold = defaultdict(lambda: defaultdict(int))
    found = await session.execute(select(*grouping, *sums).group_by(*grouping))
    for step, article, *numbers in found:
        for place in (step, None):
            for of, number in zip((sold, new, gifts), numbers, strict=True):
                of[article][place] += int(number)
    return sold, new, gifts


async def sold_on(session: AsyncSession, day: date, zone: ZoneInfo) -> list[SoldOn]:
    """The rows of `ArticleSaleDay` for a day of the zone."""
    rows = _bought(spans_of([day], zone), literal(0)).subquery("bought")
    own = func.sum(rows.c.is_own)
    numbers = select(rows.c.article, own, func.sum(rows.c.is_first), func.count() - own)
    found = await session.execute(numbers.group_by(rows.c.article))
    return [(day, article, *counts) for article, *counts in found if article is not None]


async def note_walls(session: AsyncSession, day: date, zone: ZoneInfo) -> None:
    """Note at the day's checkouts which wall came last, where the ledger still has it.

    Not of readers who were erased since: it was taken away with what else led to their purchases.
    """
    ((since, until),) = spans_of([day], zone)
    wall = _wall_in_ledger()
    row = Checkout
    is_erased = exists().where(Reader.id == row.reader_id, Reader.erased_at.is_not(None))
    await session.execute(
        update(row)
        .where(
            row.status == "completed", row.completed_at >= since, row.completed_at < until,
            row.article_id.is_(None), wall.is_not(None), wall.is_distinct_from(row.wall_article_id),
            ~is_erased,
        )
        .values(wall_article_id=wall)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _bought(spans: Iterable[tuple[datetime, datetime]], step: ColumnElement[int]) -> Select[Any]:
    at = Checkout.completed_at
    return select(
        step.label("step"), _last_wall().label("article"),
        case((is_first(), 1), else_=0).label("is_first"),
        case((is_for_oneself(), 1), else_=0).label("is_own"),
    ).where(
        is_purchase(),
        or_(*((at >= since) & (at < until) for since, until in spans)),
    )  # fmt: skip


def _last_wall() -> ColumnElement[Any]:
    """The article whose wall the buyer met last before a checkout; of a pass for one article, that."""
    return func.coalesce(Checkout.article_id, _wall_in_ledger(), Checkout.wall_article_id)


def _wall_in_ledger() -> ColumnElement[Any]:
    entry = AccessEntry
    theirs = or_(
        entry.reader_id == Checkout.reader_id,
        and_(entry.device_id == Checkout.device_id, entry.reader_id.is_(None)),
    )
    return (
        select(entry.article_id)
        .where(theirs, entry.wall.is_not(None), entry.at <= Checkout.created_at)
        .order_by(entry.at.desc(), entry.id.desc())
        .limit(1)
        .correlate(Checkout)
        .scalar_subquery()
    )
