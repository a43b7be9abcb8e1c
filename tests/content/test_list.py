from datetime import datetime, timedelta
from typing import Any

import pytest

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.content.store import PublicPage, get_article, list_articles
from service.db.session import Database
from service.problems import Problem
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import START
from tests.content.canary import Canary
from tests.databases import on_sqlite


async def publish(database: Database, settings: Settings, **fields: Any) -> None:
    usual = {"title": fields["slug"], "body": "<p>One</p><p>Two</p>", "published_at": START}
    body = ArticleIn.model_validate({**usual, **{k: v for k, v in fields.items() if k != "slug"}})
    async with database.transaction() as session:
        prepared = prepare(fields["slug"], body, InForce.by_default(settings))
        await store_prepared(session, prepared, if_match=None, actor="test", now=START)


async def page(database: Database, *, now: datetime = START, **query: Any) -> PublicPage:
    usual = dict.fromkeys(("section", "tag", "author", "q", "cursor"))
    async with database.reading() as session:
        return await list_articles(session, **{**usual, "limit": 20, **query}, now=now)


async def slugs(database: Database, **query: Any) -> list[str]:
    return [article.slug for article in (await page(database, **query)).items]


async def test_latest_first_and_only_what_is_visible(
    database: Database, settings: Settings
) -> None:
    hour = timedelta(hours=1)
    await publish(database, settings, slug="old", published_at=START - 2 * hour)
    await publish(database, settings, slug="new", published_at=START - hour)
    await publish(database, settings, slug="due", published_at=START, status="scheduled")
    await publish(database, settings, slug="later", published_at=START + hour)
    await publish(database, settings, slug="last", published_at=START + 2 * hour)
    await publish(database, settings, slug="draft", status="draft")
    await publish(database, settings, slug="gone", status="withdrawn")
    assert await slugs(database) == ["due", "new", "old"]
    assert (await slugs(database, now=START + hour))[0] == "later"


async def test_pages_hold_every_article_once(database: Database, settings: Settings) -> None:
    # Three instants for seven articles: within one, the identifier decides.
    for number in range(7):
        at = START - timedelta(minutes=number // 3)
        await publish(database, settings, slug=f"a-{number}", published_at=at)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        part = await page(database, limit=2, cursor=cursor)
        assert len(part.items) <= 2
        seen += [article.slug for article in part.items]
        cursor = part.next_cursor
        if cursor is None:
            break
        # What appears meanwhile, at the front, moves nothing.
        await publish(database, settings, slug=f"new-{len(seen)}", published_at=START)
    assert len(seen) == len(set(seen))
    assert {f"a-{number}" for number in range(7)} <= set(seen)


async def test_filters(database: Database, settings: Settings) -> None:
    await publish(
        database,
        settings,
        slug="ferry",
        section="News",
        tags=["Sea", "Council"],
        authors=[{"name": "Ada Lowe"}],
    )
    await publish(database, settings, slug="levy", section="Opinion", tags=["Council"])
    assert await slugs(database, section="News") == ["ferry"]
    assert await slugs(database, section="news") == []
    assert sorted(await slugs(database, tag="council")) == ["ferry", "levy"]
    assert await slugs(database, tag="Council", author="ada lowe") == ["ferry"]
    assert await slugs(database, tag="Ada Lowe") == []
    assert await slugs(database, section="Opinion", author="Ada Lowe") == []


WORDS = [
    ("harbour", True),
    ("HARBOUR wall", True),
    ("wall harbour", True),
    ("élan", True),
    ("e\u0301lan", True),
    ("ÉLAN", True),
    ("elan", True),
    ("ÊLÁN", True),
    ("elans", False),
    ("100%", True),
    ("a_b", True),
    ("", True),
    ("  ", True),
    ("harbour bridge", False),
    ("%", True),
    ("_b_", False),
    ("10_%", False),
    ("1%0", False),
    ("\\", False),
    ("/", False),
    ("' OR 1=1 --", False),
    ('"; DROP TABLE articles; --', False),
]


async def test_search_takes_words_as_they_are(database: Database, settings: Settings) -> None:
    await publish(
        database,
        settings,
        slug="a",
        title="The Harbour Wall",
        standfirst="With élan",
        body="<p>100% a_b</p><p>x y</p>",
    )
    for q, found in WORDS:
        assert await slugs(database, q=q) == (["a"] if found else []), q


async def test_search_finds_nothing_behind_the_cut(database: Database, settings: Settings) -> None:
    canary = Canary()
    await publish(database, settings, slug="a", body=canary.body())
    assert await slugs(database, q=canary.public) == ["a"]
    assert await slugs(database, q=canary.paid) == []
    assert await slugs(database, q=canary.paid[:6]) == []


@on_sqlite
@pytest.mark.parametrize(
    "cursor",
    ["", "x", "=", "0", "MA", "ä", "' OR 1=1", "MDphcnRfMQ", "a" * 200, "\0", "LTk5OTk5OTk5OTk5OTk5OTk5OTphcnRfMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"],
)  # fmt: skip
async def test_a_cursor_of_others_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(Problem) as refusal:
        await page(database, cursor=cursor)
    assert refusal.value.slug == "invalid-request"
    assert "cursor" in refusal.value.members["errors"][0]["field"]


async def test_single_articles_by_slug(database: Database, settings: Settings) -> None:
    await publish(database, settings, slug="a", status="draft")
    async with database.reading() as session:
        found = await get_article(session, "a")
        assert found is not None
        assert found.slug == "a"
        assert await get_article(session, "b") is None
