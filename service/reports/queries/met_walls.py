"""The walls and prompts that holders met, row by row of the ledger: by kind, audience, words and the article's section."""

from sqlalchemy import ColumnElement, Subquery, func, literal, select, union_all

from service.db.tables import AccessEntry, Article
from service.reports.asked import Asked, Dimensions
from service.reports.queries import kept_rows
from service.reports.queries.holders import NO_SECTION
from service.reports.queries.ledger import with_whose
from service.reports.queries.touched import with_split

WALLS = ("wall", "audience", "prompt", "section")


def is_wall() -> ColumnElement[bool]:
    return AccessEntry.wall.is_not(None)


def has_prompt() -> ColumnElement[bool]:
    """A wall with its words, or something that was said beside the article."""
    return AccessEntry.prompt.is_not(None)


def met(asked: Asked, digits: int, *conditions: ColumnElement[bool]) -> Subquery:
    """Of such rows, `is_wall` or `has_prompt`: `day`, `at`, `holder`, `whose` and `split`, of the holders in the
    sample.
    """
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
            kept_rows.on_days(first, last),
            *of_walls.filters(dimensions), *conditions,
        )
    )  # fmt: skip
    sample = kept_rows.of_sample(rows, entry.holder.expression, digits)
    rows_met = union_all(*sample).subquery("met")
    whose = with_whose(rows_met, digits).subquery("whose_met")
    return with_split(whose, asked, digits).subquery("split_met")


def is_of_single_walls(asked: Asked) -> bool:
    """Whether the split or a filter needs each wall: days of holders don't tell them apart."""
    of_walls = asked.among(WALLS)
    return bool(of_walls.split or of_walls.chosen)
