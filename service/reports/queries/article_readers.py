"""How many distinct holders read each article: from the ledger's own rows, of many of a sample of holders.

The rows by day and holder name no article, so they can't say it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry
from service.reports.asked import Asked
from service.reports.queries import kept_rows
from service.reports.queries.ledger import with_whose


@dataclass(frozen=True)
class ArticleReaders:
    """What is known of a period's readers. `gone`: rows before this day are deleted, so nothing is."""

    first: date
    last: date
    gone: date | None
    digits: int

    @property
    def stand_for(self) -> int:
        """How many readers each of the sample stands for; 1: all are counted."""
        return kept_rows.rate(self.digits).denominator

    def by_article(self, articles: Collection[str] | None = None) -> Select[Any]:
        """`article_id` and `readers`: of these articles, or of all that were read."""
        theirs = [] if articles is None else [AccessEntry.article_id.in_(articles)]
        rows = (
            select(AccessEntry.article_id, AccessEntry.holder)
            .where(kept_rows.on_days(self.first, self.last), AccessEntry.granted.is_(True), *theirs)
            .distinct()
        )  # fmt: skip
        sample = kept_rows.of_sample(rows, AccessEntry.holder.expression, self.digits)
        whose = with_whose(union_all(*sample).subquery("read"), self.digits).subquery("theirs").c
        number = func.count(whose.whose.distinct()) * literal(self.stand_for)
        return select(whose.article_id, number.label("readers")).group_by(whose.article_id)


async def readers_in(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_ROWS
) -> ArticleReaders:  # fmt: skip
    """Of the period, today among it."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    gone = await kept_rows.gone_before(session, first, last)
    return ArticleReaders(first, last, gone, await kept_rows.sample(session, first, last, most))
