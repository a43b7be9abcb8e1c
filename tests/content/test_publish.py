import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from service.content.publish import Published, etag_of, withdraw_article
from service.content.schemas import ArticleIn
from service.content.store import content_version, get_article
from service.db.session import Database
from service.db.tables import Article, ArticleRevision, ArticleTerm, AuditEntry
from service.problems import Problem
from service.settings import Settings
from tests.conftest import START
from tests.content.publishing import put_article
from tests.databases import on_sqlite

USUAL = {
    "title": "The ferry",
    "standfirst": "A boat is late.",
    "body": "<p>One</p><!--more--><p>Two</p>",
    "authors": [{"name": "Maren Tolliver"}],
    "section": "News",
    "tags": ["Ferry", "Council", "Ferry"],
    "source_ids": {"cms": "1"},
}


def article(**fields: Any) -> ArticleIn:
    return ArticleIn.model_validate({**USUAL, **fields})


async def put(
    database: Database,
    settings: Settings,
    body: ArticleIn,
    *,
    slug: str = "ferry",
    if_match: str | None = None,
    now: datetime = START,
) -> Published:
    async with database.transaction() as session:
        return await put_article(
            session,
            slug,
            body,
            if_match=if_match,
            actor="operator:op_1",
            settings=settings,
            now=now,
        )


async def withdraw(
    database: Database, slug: str, *, if_match: str | None = None, now: datetime = START
) -> None:
    async with database.transaction() as session:
        await withdraw_article(session, slug, if_match=if_match, actor="operator:op_1", now=now)


async def count(database: Database, table: type[Any]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def version(database: Database) -> int:
    async with database.reading() as session:
        return await content_version(session)


async def test_an_article_is_created_with_its_cut(database: Database, settings: Settings) -> None:
    published = await put(database, settings, article())
    assert (published.created, published.changed) == (True, True)
    async with database.reading() as session:
        stored = await get_article(session, "ferry")
        terms = (await session.execute(select(ArticleTerm.kind, ArticleTerm.term))).all()
        entry = (await session.scalars(select(AuditEntry))).one()
        revision = (await session.scalars(select(ArticleRevision))).one()
    assert stored is not None
    assert stored.preview_html == "<p>One</p>"
    assert stored.body_html == "<p>One</p><p>Two</p>"
    assert stored.published_at == START
    assert stored.tags == ("Ferry", "Council")
    assert sorted(tuple(row) for row in terms) == [
        ("author", "maren tolliver"),
        ("tag", "council"),
        ("tag", "ferry"),
    ]
    assert (entry.actor, entry.target, entry.before) == ("operator:op_1", "ferry", None)
    assert revision.document["body"] == USUAL["body"]
    assert await version(database) == 1


async def test_the_same_content_again_changes_nothing(
    database: Database, settings: Settings
) -> None:
    await put(database, settings, article())
    again = await put(database, settings, article(), now=START + timedelta(days=1))
    assert (again.created, again.changed) == (False, False)
    assert again.article.published_at == START
    assert await count(database, ArticleRevision) == 1
    assert await version(database) == 1


async def test_a_change_keeps_a_revision(database: Database, settings: Settings) -> None:
    first = await put(database, settings, article())
    later = START + timedelta(hours=1)
    second = await put(database, settings, article(title="Two", tags=["x"]), now=later)
    assert (second.created, second.changed, second.article.version) == (False, True, 2)
    assert second.article.id == first.article.id
    assert second.article.published_at == START
    assert second.article.updated_at == later
    assert await count(database, ArticleRevision) == 2
    assert await version(database) == 2
    async with database.reading() as session:
        tags = await session.scalars(select(ArticleTerm.term).where(ArticleTerm.kind == "tag"))
        assert list(tags) == ["x"]


@on_sqlite
@pytest.mark.parametrize(
    ("change", "updated"),
    [
        ({"title": "Two"}, START + timedelta(hours=1)),
        ({"body": "<p>Three</p>"}, START + timedelta(hours=1)),
        ({"tags": ["x"], "section": "Sea", "access": {"level": "free"}}, START),
        ({"title": "Two", "updated_at": "2026-01-02T03:04:05Z"},
         datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)  # fmt: skip
async def test_an_article_is_updated_when_its_text_is(
    database: Database, settings: Settings, change: dict[str, Any], updated: datetime
) -> None:
    await put(database, settings, article())
    again = await put(database, settings, article(**change), now=START + timedelta(hours=1))
    assert again.changed
    assert again.article.updated_at == updated


@on_sqlite
async def test_a_wall_brings_its_level_along(database: Database, settings: Settings) -> None:
    body = "<p>One</p><!--wall:registered--><p>Two</p>"
    stored = (await put(database, settings, article(body=body))).article
    assert (stored.level, stored.wall_level) == (None, "registered")
    sent = article(body=body, access={"level": "metered"})
    stored = (await put(database, settings, sent)).article
    assert (stored.level, stored.wall_level) == ("metered", "registered")


@on_sqlite
async def test_a_new_cut_is_a_change(database: Database, settings: Settings) -> None:
    body = article(body="<p>1</p><p>2</p><p>3</p><p>4</p><p>5</p>")
    await put(database, settings, body)
    again = await put(database, settings.model_copy(update={"preview_blocks": 1}), body)
    assert again.changed
    assert again.article.preview_html == "<p>1</p>"


@pytest.mark.parametrize("if_match", ['"v1"', "*", '"v9", "v1"'])
async def test_if_match_lets_the_expected_version_through(
    database: Database, settings: Settings, if_match: str
) -> None:
    await put(database, settings, article())
    changed = await put(database, settings, article(title="Two"), if_match=if_match)
    assert etag_of(changed.article) == '"v2"'


@on_sqlite
@pytest.mark.parametrize("if_match", ['"v0"', 'W/"v1"', "v1", "", "'; DROP TABLE articles"])
async def test_if_match_refuses_any_other(
    database: Database, settings: Settings, if_match: str
) -> None:
    await put(database, settings, article())
    with pytest.raises(Problem) as refusal:
        await put(database, settings, article(title="Two"), if_match=if_match)
    assert refusal.value.slug == "article-changed"
    with pytest.raises(Problem):
        await withdraw(database, "ferry", if_match=if_match)
    assert await version(database) == 1


@on_sqlite
async def test_if_match_creates_nothing(database: Database, settings: Settings) -> None:
    with pytest.raises(Problem) as refusal:
        await put(database, settings, article(), if_match="*")
    assert refusal.value.slug == "article-changed"


async def test_publications_at_once_follow_one_another(
    database: Database, settings: Settings
) -> None:
    bodies = [article(title=f"Title {number}") for number in range(6)]
    results = await asyncio.gather(*(put(database, settings, body) for body in bodies))
    assert sum(result.created for result in results) == 1
    assert sorted(result.article.version for result in results) == [1, 2, 3, 4, 5, 6]
    assert await version(database) == 6


async def test_withdrawing_keeps_the_article(database: Database, settings: Settings) -> None:
    await put(database, settings, article())
    await withdraw(database, "ferry")
    await withdraw(database, "ferry")
    async with database.reading() as session:
        row = (await session.scalars(select(Article))).one()
        actions = list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert (row.status, row.version) == ("withdrawn", 2)
    assert actions == ["article.publish", "article.withdraw"]
    again = await put(database, settings, article(), now=START + timedelta(days=2))
    assert (again.article.status, again.article.published_at) == ("published", START)


@on_sqlite
@pytest.mark.parametrize("slug", ["never-used", "Ferry", "../ferry", "a' OR '1'='1", "a\0b", ""])
async def test_what_was_never_there_can_not_be_withdrawn(database: Database, slug: str) -> None:
    with pytest.raises(Problem) as refusal:
        await withdraw(database, slug)
    assert refusal.value.slug == "article-not-found"


@pytest.mark.parametrize(
    ("fields", "later", "instant"),
    [
        ({"status": "draft"}, None, None),
        ({"status": "withdrawn"}, None, None),
        ({"published_at": "2026-04-01T10:00:00+02:00"}, None, "2026-04-01T08:00:00+00:00"),
        ({"status": "scheduled", "published_at": "2026-04-01T08:00:00Z"}, {"status": "published"},
         "2026-03-11T09:00:00+00:00"),
        ({"status": "draft", "published_at": "2020-01-01T00:00:00Z"}, {"status": "published"},
         "2026-03-11T09:00:00+00:00"),
        ({"status": "published"}, {"status": "withdrawn"}, "2026-03-10T09:00:00+00:00"),
    ],
)  # fmt: skip
async def test_when_an_article_appears(
    database: Database,
    settings: Settings,
    fields: dict[str, Any],
    later: dict[str, Any] | None,
    instant: str | None,
) -> None:
    published = await put(database, settings, article(**fields))
    if later is not None:
        next_day = START + timedelta(days=1)
        published = await put(database, settings, article(**later), now=next_day)
    assert published.article.published_at == (datetime.fromisoformat(instant) if instant else None)


@on_sqlite
@pytest.mark.parametrize(
    "slug",
    ["", "A", "a--b", "-a", "a-", "a_b", "ä", "a/b", "a b", "a\n", "a\0", "a" * 121, "' OR 1=1 --"],
)
async def test_a_malformed_slug_is_refused(
    database: Database, settings: Settings, slug: str
) -> None:
    with pytest.raises(Problem) as refusal:
        await put(database, settings, article(), slug=slug)
    assert refusal.value.members["errors"][0]["field"] == "path.slug"


@on_sqlite
async def test_a_body_too_deep_is_refused(database: Database, settings: Settings) -> None:
    with pytest.raises(Problem) as refusal:
        await put(database, settings, article(body="<div>" * 100_000))
    assert refusal.value.slug == "invalid-request"
    assert refusal.value.members["errors"][0]["field"] == "body.body"


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "a" * 301},
        {"title": 7},
        {"title": "a\0b"},
        {"title": "a\ud800b"},
        {"body": "a\0"},
        {"body": None},
        {"body": "a" * 2_000_001},
        {"body": "ä" * 1_000_001},
        {"body_format": "latex"},
        {"authors": [{"name": "a"}] * 21},
        {"authors": ["a"]},
        {"authors": [{"name": ""}]},
        {"authors": [{"name": "a", "email": "b"}]},
        {"tags": [str(number) for number in range(101)]},
        {"tags": ["a\0"]},
        {"tags": "a"},
        {"section": ""},
        {"canonical_url": "javascript:alert(1)"},
        {"canonical_url": "//a.example/"},
        {"canonical_url": "https://"},
        {"canonical_url": "https://user:pass@a.example/"},
        {"canonical_url": "https://a.example/ b"},
        {"canonical_url": "https://[a"},
        {"image": {"url": "data:image/png;base64,x"}},
        {"image": {"url": "//a.example/b.png"}},
        {"image": {"url": "b.png"}},
        {"image": {"url": "/a\\b"}},
        {"language": "english language"},
        {"language": "en\n"},
        {"published_at": "2026-03-10T09:00:00"},
        {"published_at": 1_700_000_000},
        {"published_at": "0001-01-01T00:00:00+14:00"},
        {"published_at": "soon"},
        {"status": "secret"},
        {"status": "scheduled"},
        {"access": {"level": "gold"}},
        {"access": {"level": "free", "plans": ["a"]}},
        {"access": {"level": "subscribers", "plans": ["Not a slug"]}},
        {"access": "free"},
        {"source_ids": {"a": 1}},
        {"source_ids": {"a\0": "b"}},
        {"source_ids": {str(number): "a" for number in range(21)}},
        {"surprise": 1},
        {"id": "art_1"},
        {"version": 3},
    ],
)  # fmt: skip
def test_bad_values_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        article(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"body": ""},
        {"image": {"url": "/media/a.jpg"}},
        {"image": {"url": "https://a.example/a.jpg", "alt": "b"}},
        {"language": "pt-BR"},
        {"published_at": "1951-05-05T00:00:00Z"},
        {"access": {"level": "subscribers", "plans": ["digital"]}},
        {"title": "日本 🦀"},
    ],
)
async def test_good_values_are_stored(
    database: Database, settings: Settings, fields: dict[str, Any]
) -> None:
    assert (await put(database, settings, article(**fields))).created
    assert not (await put(database, settings, article(**fields))).changed
