"""All articles as the staff looks for them: drafts and withdrawn ones too, by the level in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from service.content.folding import folded
from service.content.level_sql import level_in_sql
from service.content.store import term_of
from service.content.visibility import Status
from service.db.keyset import Keyset, Page
from service.db.tables import Article, ArticleRevision, ArticleTerm
from service.html.list_query import ListQuery
from service.levels import Level
from service.rules.rules import LevelRules
from service.texts import plain_name

_TEXTS = (
    Article.body_source, Article.body_html, Article.preview_html, Article.preview_text,
    Article.search_text,
)  # fmt: skip
_CREATED_LAST_FIRST = Keyset(Article.created_at, Article.id)
_REVISIONS = Keyset(ArticleRevision.version)


@dataclass(frozen=True)
class StaffFilter:
    """What must all fit. `query`: words of title, standfirst or preview, or the whole slug.

    `level` is the one in force, `author` a part of a name.
    """

    query: str = ""
    status: Status | None = None
    section: str = ""
    level: Level | None = None
    author: str = ""


async def list_for_staff(
    session: AsyncSession,
    filters: Sequence[ColumnElement[bool]],
    *,
    cursor: str | None,
    limit: int,
) -> Page[Article]:
    """Articles that fulfil the `conditions`, latest created first; without their texts.

    Raises Problem `invalid-request` for a cursor that isn't ours.
    """
    query = without_texts().where(*filters) if filters else without_texts()
    return await _CREATED_LAST_FIRST.page(session, query, cursor=cursor, limit=limit)


@cache
def without_texts() -> Select[Article]:
    """Articles whose texts stay in the database. Built once: that takes as long as to execute it."""
    return select(Article).options(*(defer(text, raiseload=True) for text in _TEXTS))


def conditions(
    session: AsyncSession, chosen: StaffFilter, rules: LevelRules, now: datetime
) -> list[ColumnElement[bool]]:
    """What an article must fulfil to be chosen. `now` is business time. Of a list in pages they are asked for once."""
    found: list[ColumnElement[bool]] = []
    if chosen.status is not None:
        found.append(Article.status == chosen.status)
    if section := plain_name(chosen.section):
        found.append(Article.section == section)
    if chosen.level is not None:
        found.append(level_in_sql(session, rules, now) == chosen.level)
    if author := term_of(chosen.author.strip()):
        written = select(ArticleTerm.article_id).where(
            ArticleTerm.kind == "author", ArticleTerm.term.contains(author, autoescape=True)
        )
        found.append(Article.id.in_(written))
    for word in folded(chosen.query).split():
        named = Article.search_text.contains(word, autoescape=True)
        found.append(or_(named, Article.slug == word))
    return found


async def list_revisions(
    session: AsyncSession, article: Article, asked: ListQuery
) -> Page[ArticleRevision]:
    """What each change of the article sent, the newest first."""
    query = select(ArticleRevision).where(ArticleRevision.article_id == article.id)
    return await _REVISIONS.page(session, query, cursor=asked.cursor, limit=asked.limit)


async def sections_for_staff(session: AsyncSession) -> list[str]:
    """Every section that an article has, by name."""
    found = await session.scalars(select(Article.section).distinct())
    return sorted(each for each in found if each)
