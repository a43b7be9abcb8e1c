"""How many distinct holders read each article: from the ledger's own rows, of many of a sample of holders.

The rows by day and holder name no article, so they can't say it. Of some articles that were read on few days all
rows of these days are looked through, so that a sample doesn't say sixteen readers, or none, of an article with
one read.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.reasons import REASONS
from service.db.tables import AccessEntry
from service.reports.asked import Asked
from service.reports.queries import kept_rows
from service.reports.queries.ledger import by_article, with_whose

_REFUSALS = [name for name, reason in REASONS.items() if not reason.granted]
_Reads = dict[str, dict[date, int]]
"""By article and day."""


@dataclass(frozen=True)
class Readers:
    """Never more than the article's reads. 1: all were counted, else a sample of them."""

    number: int
    each_stands_for: int


async def readers_of(
    session: AsyncSession,
    asked: Asked,
    articles: Collection[str],
    most: int = kept_rows.MOST_ROWS,
    most_looked_through: int = kept_rows.MOST_IN_DAYS,
) -> dict[str, Readers] | None:
    """Of these articles that were read in the period, today among it; None: rows of it are deleted.

    Those with the fewest days are counted as they are, as long as their days have no more than `most_looked_through`
    rows together. Of others a sample is looked at where their days have more than `most`.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    if await kept_rows.gone_before(session, first, last) is not None:
        return None
    reads, rows = (
        await _reads(session, asked, articles),
        await kept_rows.by_day(session, first, last),
    )
    days: set[date] = set()
    as_they_are: list[str] = []
    for each in sorted(reads, key=lambda each: (len(reads[each]), each)):
        if sum(rows[day] for day in days | reads[each].keys()) > most_looked_through:
            break
        days |= reads[each].keys()
        as_they_are.append(each)
    others = [each for each in reads if each not in as_they_are]
    their_days = {day for each in others for day in reads[each]}
    digits = kept_rows.digits_for(sum(rows[day] for day in their_days), most)
    return {
        **await _counted(session, reads, as_they_are, days, 0),
        **await _counted(session, reads, others, their_days, digits),
    }


async def _reads(session: AsyncSession, asked: Asked, articles: Collection[str]) -> _Reads:
    of = (await by_article(session, asked)).c
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for article, day, number in await session.execute(
        select(of.article_id, of.day, func.sum(of.rows))
        .where(of.article_id.in_(articles), of.wall == "", of.reason.not_in(_REFUSALS))
        .group_by(of.article_id, of.day)
    ):
        found[article][day] = int(number)
    return found


async def _counted(
    session: AsyncSession, reads: _Reads, articles: list[str], days: set[date], digits: int
) -> dict[str, Readers]:
    if not articles:
        return {}
    entry, each_stands_for = AccessEntry, kept_rows.rate(digits).denominator
    where = (entry.day.in_(sorted(days)), entry.article_id.in_(articles))
    rows = await session.execute(_by_article(digits, *where))
    found = {article: int(number) for article, number in rows}
    # Of who isn't in the sample it isn't known that nobody read.
    least = 1 if digits else 0
    return {
        each: Readers(
            min(max(found.get(each, 0), least), sum(reads[each].values())), each_stands_for
        )
        for each in articles
    }


async def all_readers(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_ROWS
) -> Select[Any]:
    """`article_id` and about how many `readers`, of all that were read, to put them in order."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    digits = await kept_rows.sample(session, first, last, most)
    return _by_article(digits, kept_rows.on_days(first, last))


def _by_article(digits: int, *where: ColumnElement[bool]) -> Select[Any]:
    rows = (
        select(AccessEntry.article_id, AccessEntry.holder)
        .where(AccessEntry.granted.is_(True), *where)
        .distinct()
    )
    sample = kept_rows.of_sample(rows, AccessEntry.holder.expression, digits)
    whose = with_whose(union_all(*sample).subquery("read"), digits).subquery("theirs").c
    number = func.count(whose.whose.distinct()) * literal(kept_rows.rate(digits).denominator)
    return select(whose.article_id, number.label("readers")).group_by(whose.article_id)
