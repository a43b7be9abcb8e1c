"""Going through all articles: how much of each is public, and their previews made anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import func, select

from service.content.blocks import BodyRefused
from service.content.cut import BodyFormat, render
from service.content.level import level_at
from service.content.preview_limits import limits_of
from service.content.previews import PublicShare, oddities, public_share
from service.content.publish import cut_columns
from service.content.store import level_facts
from service.content.written import locked_state
from service.db.session import Database
from service.db.tables import Article, ArticleRevision
from service.identity import audit
from service.levels import Level
from service.rules.in_force import InForce

BATCH = 50
Progress = Callable[[int, int], None]
"""Is called with the number of articles done, and of all."""


@dataclass(frozen=True)
class ArticlePreview:
    """`oddities` are sentences for an editor."""

    slug: str
    level: Level
    share: PublicShare
    oddities: list[str]


async def list_previews(
    database: Database, in_force: InForce, *, now: datetime, progress: Progress
) -> list[ArticlePreview]:
    """What is public of each article: the odd ones first, then by the public share, largest first."""
    found: list[ArticlePreview] = []
    async for articles, total in _batches(database):
        found += await asyncio.to_thread(
            lambda batch: [_described(article, in_force, now) for article in batch], articles
        )
        progress(len(found), total)
    return sorted(found, key=lambda each: (not each.oddities, -each.share.percent, each.slug))


async def recut(
    database: Database, in_force: InForce, *, actor: str, now: datetime, progress: Progress
) -> int:
    """Make every article's text and preview anew from what was sent; the number of those changed.

    Marks and walls stay where they are. An article is neither a new version nor updated by this.
    Each batch is a transaction, so an interrupted run is kept as far as it came.
    """
    done = changed = 0
    async for articles, total in _batches(database):
        sent = await _levels_sent(database, articles)
        columns = await asyncio.to_thread(_differing, articles, sent, in_force)
        if columns:
            changed += await _write(database, articles, columns, actor=actor, now=now)
        done += len(articles)
        progress(done, total)
    return changed


async def _batches(database: Database) -> AsyncIterator[tuple[Sequence[Article], int]]:
    """All articles in the order of their ids, with the number of all."""
    last = ""
    while True:
        async with database.reading() as session:
            total = await session.scalar(select(func.count()).select_from(Article)) or 0
            wanted = select(Article).where(Article.id > last).order_by(Article.id).limit(BATCH)
            articles = (await session.scalars(wanted)).all()
        if not articles:
            return
        yield articles, total
        last = articles[-1].id


def _described(article: Article, in_force: InForce, now: datetime) -> ArticlePreview:
    level = level_at(level_facts(article), in_force.rules.levels, now).level
    share = public_share(article)
    return ArticlePreview(article.slug, level, share, oddities(article, share, in_force, now))


async def _levels_sent(database: Database, articles: Sequence[Article]) -> dict[str, Level | None]:
    """The levels that articles name by what was sent last, of those whose row has one.

    A former release kept the level of a wall in the text as the article's own.
    """
    named = [article.id for article in articles if article.level is not None]
    access = ArticleRevision.document["access"]
    async with database.reading() as session:
        rows = await session.execute(
            select(ArticleRevision.article_id, access["level"].as_string())
            .where(ArticleRevision.article_id.in_(named), access.as_string().is_not(None))
            .order_by(ArticleRevision.version)
        )
        return {row[0]: row[1] for row in rows}


def _differing(
    articles: Sequence[Article], sent: Mapping[str, Level | None], in_force: InForce
) -> dict[str, dict[str, Any]]:
    """The columns by the article's id, where they aren't as they are stored."""
    differing = {}
    for article in articles:
        body_format = cast("BodyFormat", article.body_format)
        try:
            rendered = render(article.body_source, body_format, limits_of(in_force.settings))
        except BodyRefused:
            continue  # stored before a rule that refuses it now: it stays as it is
        columns = cut_columns(rendered, article.title, article.standfirst)
        if article.level == rendered.wall_level:
            columns["level"] = sent.get(article.id, article.level)
        if any(getattr(article, name) != value for name, value in columns.items()):
            differing[article.id] = columns
    return differing


async def _write(
    database: Database,
    articles: Sequence[Article],
    columns: dict[str, dict[str, Any]],
    *,
    actor: str,
    now: datetime,
) -> int:
    versions = {article.id: article.version for article in articles}
    async with database.transaction() as session:
        state = await locked_state(session)
        current = await session.scalars(select(Article).where(Article.id.in_(columns)))
        slugs = []
        for article in current:
            if article.version != versions[article.id]:
                continue  # published meanwhile, and so cut anew
            for name, value in columns[article.id].items():
                setattr(article, name, value)
            slugs.append(article.slug)
        state.version += 1
        await audit.record(
            session, actor=actor, action="article.recut", target="articles",
            before=None, after={"slugs": sorted(slugs)}, now=now,
        )  # fmt: skip
    return len(slugs)
