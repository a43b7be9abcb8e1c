"""Read-only SQL over articles: the newsroom's list, each with what it did in a period."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.level import LevelAt, level_at
from service.content.staff_list import StaffFilter, conditions, without_texts
from service.content.store import level_facts
from service.db.keyset import Keyset, Page
from service.db.tables import Article
from service.reports.asked import Asked
from service.reports.queries.article_readers import Readers, all_readers, readers_of
from service.reports.queries.article_sales import sales
from service.reports.queries.ledger import by_article
from service.rules.rules import LevelRules

ArticleOrder = Literal["published", "readers", "reads", "walls", "sales"]
_NOTHING, _NOBODY = literal(0), Readers(0, 1)


@dataclass(frozen=True)
class ArticleFigures:
    """An article without its texts, its level now, and what it did in the period.

    `readers` are the distinct holders who read it: None where the ledger's some rows have been deleted, and
    estimated where each that was counted stands for more. `reads` are openings, re-reads included;
    `walls` how often a wall was shown; `sales` the purchases whose last wall was here, or whose pass is for this
    article, as in the figure.
    """

    article: Article
    level: LevelAt
    reads: int
    walls: int
    sales: int
    readers: int | None
    each_stands_for: int


async def list_article_figures(
    session: AsyncSession,
    chosen: StaffFilter,
    asked: Asked,
    *,
    rules: LevelRules,
    order: ArticleOrder,
    cursor: str | None,
    limit: int,
) -> Page[ArticleFigures]:
    """Articles that fit, the latest published or those with the most of `order` first; one without a date counts
    from its creation.

    Raises Problem `invalid-request` for a cursor that isn't ours.
    """
    figures = await _figures(session, asked)
    statement = _joined(figures, without_texts()).where(
        *conditions(session, chosen, rules, asked.now)
    )
    by: ColumnElement[Any]
    if order == "published":
        by = func.coalesce(Article.published_at, Article.created_at)
    elif order == "readers":
        of_all = (await all_readers(session, asked)).subquery("readers")
        statement = statement.outerjoin(of_all, of_all.c.article_id == Article.id)
        by = cast(func.coalesce(of_all.c.readers, _NOTHING), BigInteger)
    else:
        by = figures.columns[order]
    page = await Keyset(by, Article.id).rows(session, statement, cursor=cursor, limit=limit)
    who = await readers_of(session, asked, [row[0].id for row in page.items])

    def figures_with(row: Any) -> ArticleFigures:
        article: Article = row[0]
        return _known(article, level_at(level_facts(article), rules, asked.now), row, who)

    return page.map(figures_with)


async def figures_of(
    session: AsyncSession, article: Article, asked: Asked, *, rules: LevelRules
) -> ArticleFigures:
    """The same of one article."""
    figures, who = await _figures(session, asked), await readers_of(session, asked, [article.id])
    statement = _joined(figures, select(literal(1))).where(Article.id == article.id)
    row = (await session.execute(statement)).one()
    return _known(article, level_at(level_facts(article), rules, asked.now), row, who)


def _known(
    article: Article, level: LevelAt, row: Any, who: dict[str, Readers] | None
) -> ArticleFigures:
    _, reads, walls, sales = row[:4]
    readers = (who or {}).get(article.id, _NOBODY)
    return ArticleFigures(
        article, level, reads, walls, sales, None if who is None else readers.number,
        readers.each_stands_for,
    )  # fmt: skip


@dataclass(frozen=True)
class _Figures:
    seen: Subquery
    sold: Subquery

    @property
    def columns(self) -> dict[str, ColumnElement[int]]:
        seen, sold = self.seen.c, self.sold.c
        return {
            name: cast(func.coalesce(column, _NOTHING), BigInteger)
            for name, column in (
                ("reads", seen.reads),
                ("walls", seen.walls),
                ("sales", sold.sales),
            )
        }


async def _figures(session: AsyncSession, asked: Asked) -> _Figures:
    days = await by_article(session, asked)
    is_wall = days.c.wall != ""
    seen = (
        select(
            days.c.article_id,
            func.sum(case((is_wall, _NOTHING), else_=days.c.rows)).label("reads"),
            func.sum(case((is_wall, days.c.rows), else_=_NOTHING)).label("walls"),
        )
        .group_by(days.c.article_id)
        .subquery("seen")
    )
    bought = await sales(session, asked)
    sold = select(bought.c.article, func.sum(bought.c.sold).label("sales")).group_by(
        bought.c.article
    )
    return _Figures(seen, sold.subquery("sold"))


def _joined(figures: _Figures, statement: Select[Any]) -> Select[Any]:
    return (
        statement.add_columns(*(each.label(name) for name, each in figures.columns.items()))
        .select_from(Article)
        .outerjoin(figures.seen, figures.seen.c.article_id == Article.id)
        .outerjoin(figures.sold, figures.sold.c.article == Article.id)
    )
