"""Changing what the newsroom decides about a stored article, and not its text: who may read it, and
whether it is there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.blocks import BodyRefused
from service.content.cache import ArticleCache
from service.content.cut import BodyFormat, decided
from service.content.publish import check_match, etag_of, record_change
from service.content.schemas import AccessIn
from service.content.store import get_row
from service.content.written import locked_state, traced
from service.db.context import Context
from service.db.tables import Article, ArticleRevision
from service.identity.meanwhile import check_unchanged
from service.levels import Level
from service.problems import Problem
from service.texts import is_slug

_ACTIONS = {
    "withdrawn": "article.withdraw", "published": "article.publish", None: "article.change-access",
}  # fmt: skip


@dataclass(frozen=True)
class ArticleChange:
    """What shall be otherwise; None: as it is."""

    access: AccessIn | None = None
    status: Literal["published", "withdrawn"] | None = None


async def change_stored(
    context: Context,
    articles: ArticleCache,
    rendering: Callable[..., Awaitable[Any]],
    slug: str,
    change: ArticleChange,
    *,
    if_match: str | None = None,
    seen: str | None = None,
    actor: str,
) -> Article:
    """Change the article in a transaction of its own; readers of this process see it at once.

    `rendering` calls a function in a thread (rendering.py). Raises the problems `article-not-found`, `article-changed`
    where it isn't the one named by `if_match`, and `changed-meanwhile` where it isn't as it was `seen`.
    """
    # Looking for a wall in a long text takes a second: before SQLite's only writer is taken.
    async with context.database.reading() as session:
        found = await get_row(session, slug) if is_slug(slug) else None
    if found is None:
        raise Problem("article-not-found")
    wall = await rendering(_wall_level, found)
    async with context.database.transaction() as session:
        changed = await change_article(
            session, slug, change, wall=wall, now=context.clocks.business(),
            if_match=if_match or etag_of(found), seen=seen, actor=actor,
        )  # fmt: skip
        articles.drop_on_commit(session, slug)
    return changed


def _wall_level(article: Article) -> Level | None:
    try:
        return decided(article.body_source, cast("BodyFormat", article.body_format))[1]
    except BodyRefused:
        return None  # stored before a rule that refuses it now


async def change_article(
    session: AsyncSession,
    slug: str,
    change: ArticleChange,
    *,
    wall: Level | None,
    now: datetime,
    if_match: str | None,
    seen: str | None = None,
    actor: str,
) -> Article:
    """Change the article with a revision and an audit entry; what is so already writes nothing.

    `wall`: whom a wall in its text leaves it to. Raises the problems `article-not-found`, `article-changed` and
    `changed-meanwhile`.
    """
    state = await locked_state(session)
    article = await get_row(session, slug) if is_slug(slug) else None
    if article is None:
        raise Problem("article-not-found")
    actions = _ACTIONS.values()
    await check_unchanged(session, traced(article), seen, actions=actions, target=slug)
    check_match(if_match, article)
    values, document = _changed(article, change, wall, now)
    values = {name: value for name, value in values.items() if getattr(article, name) != value}
    if not values:
        return article
    before = traced(article)
    for name, value in values.items():
        setattr(article, name, value)
    article.version += 1
    if document == {"status": "withdrawn"}:
        article.updated_at = now
    else:
        # Whole, as from a publisher: what comes from elsewhere is compared with it (imported.py).
        document = {**await _last_sent(session, article), **document}
    await record_change(
        session, state, article, document, action=_ACTIONS[values.get("status")], before=before,
        actor=actor, now=now,
    )  # fmt: skip
    return article


async def _last_sent(session: AsyncSession, article: Article) -> dict[str, Any]:
    """The whole article as it was sent last."""
    revisions = await session.stream_scalars(
        select(ArticleRevision.document)
        .where(ArticleRevision.article_id == article.id)
        .order_by(ArticleRevision.version.desc())
    )
    async for document in revisions:
        if "title" in document:
            return dict(document)
    return {}


def _changed(
    article: Article, change: ArticleChange, wall: Level | None, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns that are asked for, and what the revision keeps of the request."""
    values: dict[str, Any] = {}
    document: dict[str, Any] = {}
    if (access := change.access) is not None:
        schedule = access.schedule.model_dump(exclude_none=True) if access.schedule else None
        values |= {
            "level": access.level,
            "wall_level": wall,
            "plans": access.plans,
            "access_schedule": schedule or None,
        }
        document["access"] = access.model_dump(mode="json")
    if change.status is not None:
        values["status"] = document["status"] = change.status
    # What was to appear later, or was never out, appears now.
    if change.status == "published" and (article.published_at or now) >= now:
        values["published_at"] = now
        document["published_at"] = now.isoformat()
    return values, document
