"""Read-only SQL over a reader's passes."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Article, Offer, Pass
from service.grants.grants import article_scope
from service.reports.bought import PassFacts
from service.reports.timeline import ArticleMention


async def passes_of(
    session: AsyncSession,
    reader_id: str,
    *,
    since: datetime | None = None,
    most: int | None = None,
) -> Sequence[PassFacts]:
    """A reader's passes, the one that ends last first; gifts that they bought are the receivers'. `since`: without
    those that were over by then.
    """
    statement = _of_one() if since is None else _running_of_one()
    statement = statement if most is None else statement.limit(most)
    asked = {"reader_id": reader_id}
    found = await session.execute(statement, asked if since is None else {**asked, "since": since})
    return [
        PassFacts(
            id=row.id,
            offer_name=offer.name,
            plan=offer.plan,
            article=ArticleMention(*mention) if offer.covers == "article" else None,
            amount=row.amount,
            currency=row.currency,
            paid_at=row.paid_at,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            access_stop=row.access_stop,
            access_stopped_at=row.access_stopped_at,
        )
        for row, offer, *mention in found
    ]


@cache
def _of_one() -> Select[Pass, Offer, str, str, str]:
    """Built once: that takes longer than to execute it."""
    # By the article's key: what is put together of it would be looked for in all articles.
    of_scope = Article.id == func.substr(Pass.scope, len(article_scope("")) + 1)
    return (
        select(Pass, Offer, Article.id, Article.slug, Article.title)
        .join(Offer, Offer.id == Pass.offer_id)
        .outerjoin(Article, of_scope)
        .where(Pass.reader_id == bindparam("reader_id"), Offer.kind != "gift")
        .order_by(Pass.ends_at.desc(), Pass.id)
    )


@cache
def _running_of_one() -> Select[Pass, Offer, str, str, str]:
    return _of_one().where(Pass.ends_at > bindparam("since"))
