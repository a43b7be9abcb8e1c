"""Which articles make readers buy: first purchases at their walls, as a share of those who came to them."""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, share
from service.reports.queries import kept_rows
from service.reports.queries.article_sales import sold_by_article
from service.reports.queries.counting import WHOLE, Counts
from service.reports.queries.ledger import by_article, with_whose
from service.reports.queries.sales import MOST_ARTICLES, named_articles, of_section

Seen = defaultdict[str, Counts]
"""By article."""


async def article_conversion(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_ROWS
) -> list[Line]:
    """First purchases whose last wall was an article's ÷ distinct holders who read it or met its wall.

    Of more than `most` rows the holders are those of a sample, multiplied.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    _, bought, _ = await sold_by_article(session, asked)
    walls, subscribed = await _walls_and_subscribers(session, asked)
    wanted = await of_section(session, asked, bought.keys() | walls.keys())
    largest = sorted(wanted, key=lambda each: (-bought[each][None], -walls[each][None], each))
    largest = largest[:MOST_ARTICLES]
    gone = await kept_rows.gone_before(session, first, last)
    digits = await kept_rows.sample(session, first, last, most)
    holders = await _holders(session, asked, largest, digits)
    named = await named_articles(session, largest)

    def rate(article: str) -> Callable[[int | None], Cell]:
        return lambda at: (
            share(bought[article][at], holders[article][at], of="holders")
            if gone is None
            else kept_rows.deleted(gone)
        )

    def count(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    def reached(article: str) -> Callable[[int | None], Cell]:
        return count(holders[article]) if gone is None else lambda _: kept_rows.deleted(gone)

    lines = [
        line_of(make, asked.steps, name, **named[each])
        for each in largest
        for name, make in (
            ("rate", rate(each)),
            ("bought", count(bought[each])),
            ("holders", reached(each)),
            ("subscribers", count(subscribed[each])),
        )
    ]
    return [*lines, *kept_rows.sample_line(asked, digits)]


async def _walls_and_subscribers(session: AsyncSession, asked: Asked) -> tuple[Seen, Seen]:
    """How often walls were met, and how often subscribers read."""
    walls: Seen = defaultdict(lambda: defaultdict(int))
    subscribed: Seen = defaultdict(lambda: defaultdict(int))
    days = await by_article(session, asked)
    rows = (
        select(
            asked.step_on(days.c.day).label("step"), days.c.article_id,
            (days.c.wall != "").label("walled"), days.c.rows,
        )
        .where((days.c.wall != "") | (days.c.reason == "subscription"))
        .subquery("by_article")
    )  # fmt: skip
    grouping = (rows.c.step, rows.c.article_id, rows.c.walled)
    for step, article, is_wall, count in await session.execute(
        select(*grouping, func.sum(rows.c.rows)).group_by(*grouping)
    ):
        for place in (step, None):
            (walls if is_wall else subscribed)[article][place] += int(count)
    return walls, subscribed


async def _holders(
    session: AsyncSession, asked: Asked, articles: Collection[str], digits: int
) -> Seen:
    """Distinct holders who read an article or met its wall; of a sample as many more as it stands for."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    rows = (
        select(
            asked.step_on(AccessEntry.day.expression).label("step"), AccessEntry.article_id,
            AccessEntry.holder,
        )
        .where(kept_rows.on_days(first, last), AccessEntry.article_id.in_(articles))
        .distinct()
    )  # fmt: skip
    sample = kept_rows.of_sample(rows, AccessEntry.holder.expression, digits)
    reached = union_all(*sample).subquery("reached")
    theirs = with_whose(reached, digits).cte("theirs")
    found: Seen = defaultdict(lambda: defaultdict(int))
    by_step: list[Any] = [theirs.c.step, theirs.c.article_id]
    whole: list[Any] = [literal(WHOLE).label("step"), theirs.c.article_id]
    parts = [
        select(*columns, func.count(theirs.c.whose.distinct())).group_by(*columns[at:])
        for at, columns in ((0, by_step), (1, whole))
    ]
    enlarged = kept_rows.rate(digits).denominator
    for step, article, count in await session.execute(union_all(*parts)):
        found[article][None if step == WHOLE else step] = count * enlarged
    return found
