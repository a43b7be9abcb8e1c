"""Articles held in memory by every serving process, so that reading asks no database."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated

from fastapi import Depends
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.content.addresses import present_slug
from service.content.article import StoredArticle
from service.content.level import level_at
from service.content.store import content_version, get_article
from service.content.teaser import teaser, with_body
from service.db.session import AppDatabase, Database
from service.eager import noticed
from service.encoded import Head
from service.html.public_answer import BROWSERS_TAKE, Document, PublicDocument, encode, json_bytes
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import part
from service.texts import is_slug

__all__ = [
    "AppArticles",
    "ArticleCache",
    "CachedArticle",
    "StoredArticle",
    "WantedArticle",
    "article_not_found",
]

CAPACITY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """An answer of the router's as it left: its status, headers and bytes."""

    status: int
    head: Head
    body: bytes


@dataclass(frozen=True, eq=False)
class CachedArticle:
    """An article with its teaser and with its whole text, encoded and compressed once; both hold until then
    (None: until a change). `whole` is the text's article, `full` the answer with nothing but it.

    Nothing of it depends on who asks. `answers` are those that were given of it, by what they depend on;
    `opened_to` are tokens that it was opened to, by their ids: the claims, the day, and the instant until which that
    holds. `first_reads` is what devices that have read nothing share (access/first_reads.py).
    """

    article: StoredArticle
    teaser: PublicDocument
    whole: bytes
    full: Document
    until: datetime | None
    answers: dict[Hashable, Kept] = field(default_factory=dict)
    opened_to: dict[str, tuple[object, date, datetime]] = field(default_factory=dict)
    first_reads: dict[Hashable, object] = field(default_factory=dict)

    def compress(self) -> None:
        """Make what browsers take; any other coding is made when somebody asks for it."""
        for document in (self.teaser, self.full):
            document.coded(BROWSERS_TAKE)

    @property
    def size(self) -> int:
        texts = len(self.article.body_html) + len(self.article.preview_html)
        return texts + len(self.whole) + self.teaser.size + self.full.size


class ArticleCache:
    """Copies by slug, least recently used dropped first; absent articles aren't remembered.

    A change made in this process drops its copy at the commit; changes made elsewhere are seen by
    `refresh`, which the background runner calls every interval (1 s by default), so within 2 s.
    """

    def __init__(self, rules: RuleBook, clocks: Clocks, *, capacity: int = CAPACITY) -> None:
        self._rules = rules
        self._clocks = clocks
        self._capacity = capacity
        self._held: OrderedDict[str, CachedArticle] = OrderedDict()
        self._size = 0
        self._loading: dict[tuple[str, int], asyncio.Task[CachedArticle | None]] = {}
        self._version: int | None = None
        self._drops = 0
        rules.when_changed(self.drop_all)

    async def get(self, database: Database, slug: str) -> StoredArticle | None:
        """The article, whatever its status: visibility is the caller's question, it needs a time."""
        cached = await self.entry(database, slug)
        return cached.article if cached else None

    def at_hand(self, slug: str) -> StoredArticle | None:
        """The copy in memory, if there is one: for when the database can't be asked."""
        held = self._held.get(slug)
        return held.article if held is not None else None

    async def moved(self, database: Database, slug: str) -> StoredArticle | None:
        """The article that was once called `slug` and has another one now."""
        if not is_slug(slug):
            return None
        async with database.reading() as session:
            present = await present_slug(session, slug)
        return await self.get(database, present) if present else None

    async def entry(self, database: Database, slug: str) -> CachedArticle | None:
        """The article with its encoded teaser; None for a slug that is unused or none at all."""
        held = self._held.get(slug)
        if held is not None and held.until is not None and held.until <= self._clocks.business():
            current = await self._encoded(held.article)
            # Unless the article was dropped meanwhile: then a newer one comes, or is there.
            if self._held.get(slug) is held:
                self._keep(slug, current)
            return current
        if held is not None:
            self._held.move_to_end(slug)
            return held
        if not is_slug(slug):
            return None
        # After a drop everybody asks at once for the article of the hour: one asks the database.
        # A call after a further drop doesn't join: that read may be too old for it.
        key = (slug, self._drops)
        load = self._loading.get(key)
        if load is None:
            load = asyncio.create_task(self._load(database, slug))
            self._loading[key] = load
            load.add_done_callback(lambda _: self._loading.pop(key))
            load.add_done_callback(noticed)
        return await asyncio.shield(load)

    def peek(self, slug: str, now: datetime) -> CachedArticle | None:
        """The copy in memory that still holds at `now`, business time; asks no database."""
        held = self._held.get(slug)
        if held is None or (held.until is not None and held.until <= now):
            return None
        self._held.move_to_end(slug)
        return held

    def whole(self, article: StoredArticle, now: datetime) -> bytes:
        """The article with its text as JSON (schemas.FullArticle) at `now`, business time."""
        held = self.peek(article.slug, now)
        if held is not None and held.article is article:
            return held.whole
        return json_bytes(with_body(article, self._rules.in_force, now))

    def full(self, article: StoredArticle, now: datetime) -> Document:
        """The answer to who may read all of it, compressed as callers ask for it."""
        held = self.peek(article.slug, now)
        if held is not None and held.article is article:
            return held.full
        return _full(self.whole(article, now))

    async def _load(self, database: Database, slug: str) -> CachedArticle | None:
        drops = self._drops
        async with database.reading() as session:
            article = await get_article(session, slug)
        if article is None:
            return None
        entry = await self._encoded(article)
        # What was read before a drop may be what the drop was about: use it once, don't keep it.
        if drops == self._drops:
            self._keep(slug, entry)
        return entry

    async def _encoded(self, article: StoredArticle) -> CachedArticle:
        now, in_force = self._clocks.business(), self._rules.in_force
        until = level_at(article, in_force.rules.levels, now).until
        whole = json_bytes(with_body(article, in_force, now))
        made = CachedArticle(
            article, encode(teaser(article, in_force, now)), whole, _full(whole), until
        )
        await asyncio.to_thread(made.compress)
        return made

    async def refresh(self, database: Database) -> None:
        """Drop every copy if any article has changed since the last call."""
        async with database.reading() as session:
            version = await content_version(session)
        if version != self._version:
            self._version = version
            self.drop_all()

    def drop_on_commit(self, session: AsyncSession, slug: str) -> None:
        """Drop the copy of an article once the transaction that changes it is committed."""
        drop: Callable[[object], None] = lambda _: self._drop(slug)  # noqa: E731
        event.listen(session.sync_session, "after_commit", drop, once=True)

    def drop_all(self) -> None:
        self._drops += 1
        self._held.clear()
        self._size = 0

    def _drop(self, slug: str) -> None:
        self._drops += 1
        dropped = self._held.pop(slug, None)
        if dropped is not None:
            self._size -= dropped.size

    def _keep(self, slug: str, entry: CachedArticle) -> None:
        replaced = self._held.pop(slug, None)
        if replaced is not None:
            self._size -= replaced.size
        self._held[slug] = entry
        self._size += entry.size
        while self._size > self._capacity:
            _, oldest = self._held.popitem(last=False)
            self._size -= oldest.size


def _full(whole: bytes) -> Document:
    return Document(b'{"article":%b}' % whole)


AppArticles = Annotated[ArticleCache, Depends(part(ArticleCache))]


def article_not_found(slug: str) -> Problem:
    return Problem("article-not-found", f"There is no article {slug[:120]!r}; check the slug.")


async def wanted_article(slug: str, articles: AppArticles, database: AppDatabase) -> StoredArticle:
    """The article that a route's path names, by a former slug too, whatever its status.

    Raises Problem `article-not-found`.
    """
    article = await articles.get(database, slug) or await articles.moved(database, slug)
    if article is None:
        raise article_not_found(slug)
    return article


WantedArticle = Annotated[StoredArticle, Depends(wanted_article)]
