import asyncio
from datetime import timedelta
from typing import Any

from service.content.cache import ArticleCache
from service.content.publish import prepare, store_prepared, withdraw_article
from service.content.schemas import ArticleIn
from service.db.session import Database
from service.rules.in_force import InForce, RuleBook
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.content.publishing import put_article
from tests.databases import on_sqlite

CLOCKS = MovingClocks()
MISSING = ("none", "FERRY", "", "a\0b", "' OR 1=1 --")


def article(**fields: Any) -> ArticleIn:
    return ArticleIn.model_validate({"title": "Ferry", "body": "<p>1</p><p>2</p>", **fields})


async def put(
    database: Database,
    settings: Settings,
    slug: str = "ferry",
    cache: ArticleCache | None = None,
    **fields: Any,
) -> None:
    async with database.transaction() as session:
        await store_prepared(
            session,
            prepare(slug, article(**fields), InForce.by_default(settings)),
            if_match=None,
            actor="test",
            now=START,
        )
        if cache is not None:
            cache.drop_on_commit(session, slug)


@on_sqlite
async def test_an_article_is_read_once(database: Database, settings: Settings) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings, access={"level": "subscribers", "plans": ["digital"]})
    first = await cache.get(database, "ferry")
    assert first is not None
    assert (first.body_html, first.plans) == ("<p>1</p><p>2</p>", frozenset({"digital"}))
    assert await cache.get(database, "ferry") is first


@on_sqlite
async def test_what_is_missing_is_not_remembered(database: Database, settings: Settings) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    for slug in MISSING:
        assert await cache.get(database, slug) is None
    await put(database, settings, slug="none")
    assert await cache.get(database, "none") is not None


async def test_a_change_elsewhere_is_seen_at_the_next_refresh(
    database: Database, settings: Settings
) -> None:
    here = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings)
    held = await here.get(database, "ferry")
    await here.refresh(database)
    held = await here.get(database, "ferry")
    await here.refresh(database)
    assert await here.get(database, "ferry") is held

    await put(database, settings, title="Two")
    assert await here.get(database, "ferry") is held
    await here.refresh(database)
    changed = await here.get(database, "ferry")
    assert changed is not None
    assert changed.title == "Two"

    async with database.transaction() as session:
        await withdraw_article(session, "ferry", if_match=None, actor="test", now=START)
    await here.refresh(database)
    withdrawn = await here.get(database, "ferry")
    assert withdrawn is not None
    assert withdrawn.status == "withdrawn"


@on_sqlite
async def test_a_copy_older_than_the_first_refresh_is_dropped(
    database: Database, settings: Settings
) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings)
    await cache.get(database, "ferry")
    await put(database, settings, title="Two")
    await cache.refresh(database)
    changed = await cache.get(database, "ferry")
    assert changed is not None
    assert changed.title == "Two"


async def test_a_change_here_is_seen_at_its_commit(database: Database, settings: Settings) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings)
    held = await cache.get(database, "ferry")
    async with database.transaction() as session:
        await put_article(
            session,
            "ferry",
            article(title="Two"),
            if_match=None,
            actor="test",
            settings=settings,
            now=START + timedelta(hours=1),
        )
        cache.drop_on_commit(session, "ferry")
        # Not committed yet: readers have the old one, from memory.
        assert await cache.get(database, "ferry") is held
    changed = await cache.get(database, "ferry")
    assert changed is not None
    assert changed.title == "Two"


class Counting(Database):
    """A database that counts how often it is asked."""

    asked = 0

    def reading(self) -> Any:
        self.asked += 1
        return super().reading()


@on_sqlite
async def test_readers_at_once_ask_the_database_once(
    database: Database, settings: Settings
) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings)
    counting = Counting(database.url)
    found = await asyncio.gather(*(cache.get(counting, "ferry") for _ in range(20)))
    await counting.dispose()
    assert counting.asked == 1
    assert all(article is found[0] for article in found)
    assert not cache._loading


class Interrupted(Database):
    """A database on which something happens between a read and its use."""

    def __init__(self, url: str, meanwhile: ArticleCache) -> None:
        super().__init__(url)
        self.meanwhile = meanwhile

    def reading(self) -> Any:
        self.meanwhile.drop_all()
        return super().reading()


@on_sqlite
async def test_what_was_read_before_a_drop_is_not_kept(
    database: Database, settings: Settings
) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS)
    await put(database, settings)
    interrupted = Interrupted(database.url, cache)
    first = await cache.get(interrupted, "ferry")
    second = await cache.get(interrupted, "ferry")
    await interrupted.dispose()
    assert first == second
    assert first is not second


@on_sqlite
async def test_memory_is_bounded(database: Database, settings: Settings) -> None:
    cache = ArticleCache(RuleBook(settings), CLOCKS, capacity=95_000)
    for number in range(4):
        await put(
            database, settings, slug=f"a-{number}", body=f"<p>{'x' * 30}</p><p>{'x ' * 4_500}</p>"
        )
        await cache.get(database, f"a-{number}")
        kept = await cache.get(database, "a-0")
        assert kept is not None
    assert sorted(cache._held) == ["a-0", "a-3"]
    assert cache._size == sum(entry.size for entry in cache._held.values())
    await put(database, settings, slug="huge", body="x" * 70_000)
    assert await cache.get(database, "huge") is not None
    assert cache._size <= 95_000
