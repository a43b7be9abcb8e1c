"""Read-only SQL over a reader's passes."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Article, Offer, Pass
from service.grants.grants import article_scope
from service.reports.bought import PassFacts
from service.reports.timeline import ArticleMention


async def passes_of(
    session: AsyncSession, reader_id: str, *, most: int | None = None
) -> Sequence[PassFacts]:
    """A reader's passes, the one that ends last first; gifts that they bought are the receivers'."""
    statement = _of_one() if most is None else _of_one().limit(most)
    found = await session.execute(statement, {"reader_id": reader_id})
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
