"""An article as it was at a past instant: from the revisions that publishing keeps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.bodies import STORED
from service.content.article import StoredArticle
from service.content.publish import Prepared, prepare
from service.content.rendering import Rendering
from service.content.schemas import ArticleIn
from service.content.store import schedule_of
from service.db.tables import ArticleRevision
from service.problems import Problem
from service.rules.in_force import InForce


@dataclass(frozen=True)
class PastArticle:
    """`article` is as it was, but for its texts, which are those of today; None: it wasn't there yet.

    `cut_again`: whether there was anything to close is worked out by today's code and the rules of then.
    `unreadable`: the revision can't be read any more, and today's article stands for it.
    """

    article: StoredArticle | None
    cut_again: bool = False
    unreadable: bool = False


async def article_at(
    session: AsyncSession,
    rendering: Rendering,
    article: StoredArticle,
    at: datetime,
    in_force: InForce,
) -> PastArticle:
    """`article`, which is today's, as it was `at` (business time)."""
    revisions = await session.execute(
        select(ArticleRevision.version, ArticleRevision.document)
        .where(ArticleRevision.article_id == article.id, ArticleRevision.at <= at)
        .order_by(ArticleRevision.version.desc())
    )
    found = [(version, document) for version, document in revisions]
    if not found:
        return PastArticle(None)
    if found[0][0] == article.version:
        return PastArticle(article)
    document = _whole(document for _, document in found)
    try:
        body = ArticleIn.model_validate(document, context=STORED)
        prepared = await rendering(prepare, article.slug, body, in_force)
    except (ValidationError, Problem):
        return PastArticle(article, unreadable=True)
    return PastArticle(_as_it_was(article, prepared, found[0][0]), cut_again=True)


def _whole(newest_first: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The newest document with what older ones say besides: a withdrawal notes its status alone."""
    whole: dict[str, Any] = {}
    for document in newest_first:
        whole = {**document, **whole}
        if "body" in document:
            break
    return whole


def _as_it_was(article: StoredArticle, prepared: Prepared, version: int) -> StoredArticle:
    body = prepared.body
    schedule = body.access.schedule
    return replace(
        article, title=body.title, section=body.section, tags=tuple(body.tags),
        published_at=body.published_at, status=body.status, level=body.access.level,
        plans=frozenset(body.access.plans), version=version,
        schedule=schedule_of(schedule.model_dump(exclude_none=True) if schedule else None),
        cut_is_whole=prepared.rendered.cut_is_whole, wall_level=prepared.rendered.wall_level,
    )  # fmt: skip
