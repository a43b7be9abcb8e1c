"""Reading articles from the database."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, String, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.article import EXCERPT_LENGTH, ListedArticle, StoredArticle, excerpt_of
from service.content.folding import folded
from service.content.level import LevelFacts
from service.content.visibility import RELEASED
from service.db.keyset import Keyset
from service.db.tables import Article, ArticleTerm, ContentState
from service.rules.rules import UNSCHEDULED, Schedule
from service.texts import plain_name

STATE_ID = 1

_LISTED = (
    Article.id,
    Article.slug,
    Article.title,
    Article.standfirst,
    # One character more than an excerpt has, so that it shows whether something was left out.
    func.substr(Article.preview_text, 1, EXCERPT_LENGTH + 1).label("preview_start"),
    Article.authors,
    Article.section,
    Article.tags,
    Article.canonical_url,
    Article.image_url,
    Article.image_alt,
    Article.language,
    Article.published_at,
    Article.status,
    Article.level,
    Article.plans,
    Article.access_schedule,
    Article.cut_is_whole,
    Article.wall_level,
    Article.version,
    Article.updated_at,
)
_NAMES = tuple(column.key for column in _LISTED)
_WHOLE = (*_LISTED, Article.body_html, Article.preview_html)
# Built once: that takes longer than to execute them.
_RELEASED_BY_NOW = and_(Article.status.in_(RELEASED), Article.published_at <= bindparam("now"))
_VISIBLE = select(*_LISTED).where(_RELEASED_BY_NOW)
_SECTIONS = (
    select(Article.section)
    .where(_RELEASED_BY_NOW, Article.section.is_not(None))
    .group_by(Article.section)
    .order_by(func.count().desc(), Article.section)
)
_MOST_KEPT = 64
_LITERALLY = str.maketrans({"/": "//", "%": "/%", "_": "/_"})
"""A word as LIKE looks for it, with `/` as the sign before what is meant as it is."""


@dataclass(frozen=True)
class PublicPage:
    """A page of the public list. What isn't published yet leaves no trace in it, nor in how long it is
    kept: a search would find out the words of a scheduled article.
    """

    items: tuple[ListedArticle, ...]
    next_cursor: str | None


_LATEST_FIRST = Keyset(Article.published_at, Article.id)


def term_of(text: str) -> str:
    """A tag or an author's name as filters compare it: composed letters, no case."""
    return unicodedata.normalize("NFC", text).casefold()


async def get_article(session: AsyncSession, slug: str) -> StoredArticle | None:
    """The article with this slug, whatever its status."""
    return await _one(session, Article.slug == slug)


async def get_row(session: AsyncSession, slug: str) -> Article | None:
    """The table's row of the article with this slug, as its publisher sees it."""
    row: Article | None = await session.scalar(select(Article).where(Article.slug == slug))
    return row


async def content_version(session: AsyncSession) -> int:
    """A number that has grown with every change of any article; 0 before the first."""
    found = await session.scalar(select(ContentState.version).where(ContentState.id == STATE_ID))
    return found or 0


async def list_articles(
    session: AsyncSession,
    *,
    section: str | None,
    tag: str | None,
    author: str | None,
    q: str | None,
    cursor: str | None,
    limit: int,
    now: datetime,
) -> PublicPage:
    """Articles visible at `now` that fit every filter, latest first.

    `q`: every word must occur in title, standfirst or preview, whatever its accents; never in what
    the wall covers.
    Raises Problem `invalid-request` for a cursor that isn't ours.
    """
    given = _looked_for(section=section, tag=tag, author=author, q=q)
    found = await _LATEST_FIRST.rows(
        session, _fitting(frozenset(given)), cursor=cursor, limit=limit, given={**given, "now": now}
    )
    items = tuple(ListedArticle(**_listed(row)) for row in found.items)
    return PublicPage(items, found.next_cursor)


async def count_visible(session: AsyncSession, now: datetime) -> int:
    """How many articles are visible at `now`."""
    visible = (Article.status.in_(RELEASED), Article.published_at <= now)
    return await session.scalar(select(func.count()).select_from(Article).where(*visible)) or 0


async def list_addresses(
    session: AsyncSession, now: datetime, *, start: int, limit: int
) -> list[tuple[str, datetime]]:
    """Slugs of the articles visible at `now` and when their texts were last changed, the oldest first.

    A new article comes last, so that what `start` leaves out stays the same.
    """
    found = await session.execute(
        select(Article.slug, Article.updated_at)
        .where(Article.status.in_(RELEASED), Article.published_at <= now)
        .order_by(Article.published_at, Article.id)
        .offset(start)
        .limit(limit)
    )
    return [(row.slug, row.updated_at) for row in found]


async def list_sections(session: AsyncSession, now: datetime) -> list[str]:
    """The sections of the articles visible at `now`, the fullest first."""
    found = await session.scalars(_SECTIONS, {"now": now})
    return [section for section in found if section is not None]


def _looked_for(
    *, section: str | None, tag: str | None, author: str | None, q: str | None
) -> dict[str, str]:
    """The values of the filters by the names of their parameters; each word of `q` has one."""
    given: dict[str, str] = {}
    if section is not None:
        given["section"] = plain_name(section)
    if tag is not None:
        given["tag"] = term_of(plain_name(tag))
    if author is not None:
        given["author"] = term_of(author)
    words = (word.translate(_LITERALLY) for word in folded(q or "").split())
    return given | {f"word{number}": word for number, word in enumerate(words)}


@lru_cache(_MOST_KEPT)
def _fitting(names: frozenset[str]) -> Select[*tuple[Any, ...]]:
    """The visible articles that fit the filters with these parameters. Built once: that takes longer than to execute it."""
    filters: list[ColumnElement[bool]] = []
    for name in sorted(names):
        value = bindparam(name, type_=String)
        if name == "section":
            filters.append(Article.section == value)
        elif name in {"tag", "author"}:
            having = select(ArticleTerm.article_id).where(
                ArticleTerm.kind == name, ArticleTerm.term == value
            )
            filters.append(Article.id.in_(having))
        else:
            filters.append(Article.search_text.contains(value, escape="/"))
    return _VISIBLE.where(*filters) if filters else _VISIBLE


async def _one(session: AsyncSession, condition: ColumnElement[bool]) -> StoredArticle | None:
    row = (await session.execute(select(*_WHOLE).where(condition))).one_or_none()
    if row is None:
        return None
    return StoredArticle(**_listed(row), body_html=row.body_html, preview_html=row.preview_html)


def schedule_of(stored: Mapping[str, int] | None) -> Schedule:
    """The schedule as a row has it."""
    return Schedule(**stored) if stored else UNSCHEDULED


def level_facts(article: Article) -> LevelFacts:
    """What the article's level depends on."""
    return LevelFacts(
        level=article.level,
        section=article.section,
        tags=article.tags,
        published_at=article.published_at,
        schedule=schedule_of(article.access_schedule),
        cut_is_whole=article.cut_is_whole,
        wall_level=article.wall_level,
    )


def _listed(row: Row[Any]) -> dict[str, Any]:
    values = dict(zip(_NAMES, row, strict=False))  # whole articles and pages have more columns
    excerpt = excerpt_of(values.pop("preview_start"))
    frozen = {
        "authors": tuple(row.authors),
        "tags": tuple(row.tags),
        "plans": frozenset(row.plans),
        "schedule": schedule_of(values.pop("access_schedule")),
    }
    return {**values, **frozen, "excerpt": excerpt}
