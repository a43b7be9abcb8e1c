"""Canaries, the articles that a leak check planted: deleted whole, with all that asking for them left in reports.

Only those that were never anything else: their first revision says so, and the article still does.
"""

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.cache import ArticleCache
from service.content.store import get_row
from service.content.written import locked_state, traced
from service.db.context import Context
from service.db.tables import AccessEntry, Article, ArticleRevision, RolledDay
from service.identity.audit import record
from service.jobs.queue import ClaimedJob, enqueue
from service.jobs.worker import Kind, work
from service.metering.ledger import Ledger
from service.problems import Problem
from service.texts import is_slug

SOURCE = "leakcheck"
"""The key in `source_ids` of what a leak check plants."""
SWEEP = "sweep-canary"
_LOOKED_AT = timedelta(days=31)
"""So far back rows are looked for; the days before are settled."""
_LATE_ROWS = timedelta(minutes=1)
"""So long after the deletion another process may have written a row that it had noted before."""


async def delete_canary(
    context: Context, articles: ArticleCache, ledger: Ledger, slug: str, *, actor: str
) -> None:
    """Delete the article, its revisions and its rows in the ledger; days that had them are added up anew.

    Raises Problem `article-not-found`, and `not-a-canary` for an article of the newsroom's.
    """
    await ledger.flush(context.database)
    now, wall = context.clocks.business(), context.clocks.wall()
    async with context.database.transaction() as session:
        article = await _canary(session, slug)
        since = max(article.created_at, now - _LOOKED_AT).astimezone(context.settings.zone).date()
        days = await _sweep(session, article.id, since, ())
        state = await locked_state(session)
        state.version += 1
        await record(
            session, actor=actor, action="article.delete", target=slug, before=traced(article),
            after=None, now=now,
        )  # fmt: skip
        await session.delete(article)
        articles.drop_on_commit(session, slug)
        payload = {"since": since.isoformat(), "days": [day.isoformat() for day in days]}
        await enqueue(
            session, kind=SWEEP, key=article.id, now=wall, due_at=wall + _LATE_ROWS, payload=payload
        )


async def _canary(session: AsyncSession, slug: str) -> Article:
    article = await get_row(session, slug) if is_slug(slug) else None
    if article is None:
        raise Problem("article-not-found")
    first = await session.scalar(
        select(ArticleRevision.document)
        .where(ArticleRevision.article_id == article.id)
        .order_by(ArticleRevision.version)
        .limit(1)
    )
    began_as_one = first is not None and SOURCE in first.get("source_ids", {})
    if not began_as_one or SOURCE not in article.source_ids:
        raise Problem("not-a-canary")
    return article


async def _sweep(
    session: AsyncSession, article_id: str, since: date, known: Collection[date]
) -> list[date]:
    """Delete the article's rows since that day; which days had some, with those that are known."""
    rows = (AccessEntry.article_id == article_id) & (AccessEntry.day >= since)
    found = await session.scalars(select(AccessEntry.day).where(rows).distinct())
    days = sorted({*found, *known})
    await session.execute(delete(AccessEntry).where(rows, AccessEntry.day.in_(days)))
    # Figures count these days from the ledger until they are added up again.
    await session.execute(delete(RolledDay).where(RolledDay.day.in_(days)))
    return days


async def sweep_canaries(context: Context) -> int:
    """Delete what other processes have written since an article was deleted; of how many articles."""

    async def sweep(job: ClaimedJob) -> str:
        known = [date.fromisoformat(day) for day in job.payload["days"]]
        async with context.database.transaction() as session:
            since = date.fromisoformat(job.payload["since"])
            days = await _sweep(session, job.key, since, known)
        return f"{len(days)} days"

    return await work(context.database, {SWEEP: Kind(sweep)}, context.clocks)
