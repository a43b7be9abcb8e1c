"""The walls that holders met, row by row of the ledger: by kind, audience, words and the article's section."""

from typing import Any

from sqlalchemy import Subquery, func, literal, select, union_all

from service.db.tables import AccessEntry, Article
from service.reports.asked import Asked, Dimensions
from service.reports.queries import kept_rows
from service.reports.queries.holders import NO_SECTION
from service.reports.queries.ledger import with_whose
from service.reports.queries.touched import with_split

WALLS = ("wall", "audience", "prompt", "section")


def met_walls(asked: Asked, digits: int, *conditions: Any) -> Subquery:
    """Rows of `day`, `at`, `holder`, `whose` and `split`, of the holders in the sample."""
    entry = AccessEntry
    first, last = asked.period.first, min(asked.period.last, asked.today)
    dimensions: Dimensions = {
        "wall": entry.wall.expression,
        "audience": func.coalesce(entry.audience, literal("not known")),
        "prompt": func.coalesce(entry.prompt, literal("not known")),
        "section": func.coalesce(Article.section, literal(NO_SECTION)),
    }
    of_walls = asked.among(WALLS)
    rows = (
        select(entry.day, entry.at, entry.holder, of_walls.split_of(dimensions).label("split"))
        .outerjoin(Article, Article.id == entry.article_id)
        .where(
            entry.wall.is_not(None), kept_rows.on_days(first, last),
            *of_walls.filters(dimensions), *conditions,
        )
    )  # fmt: skip
    sample = kept_rows.of_sample(rows, entry.holder.expression, digits)
    walls = union_all(*sample).subquery("walls")
    return with_split(with_whose(walls, digits).subquery("whose_walls"), asked).subquery(
        "split_walls"
    )


def is_of_single_walls(asked: Asked) -> bool:
    """Whether the split or a filter needs each wall: days of holders don't tell them apart."""
    of_walls = asked.among(WALLS)
    return bool(of_walls.split or of_walls.chosen)
