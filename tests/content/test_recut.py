from typing import Any

from sqlalchemy import select, update

from service.content.publish import prepare, store_prepared
from service.content.recut import BATCH, list_previews, recut
from service.content.schemas import ArticleIn
from service.content.store import content_version, get_row
from service.db.session import Database
from service.db.tables import Article, AuditEntry
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import START
from tests.databases import on_sqlite

STORY = "<p>One two three.</p><p>Four five six.</p><p>Seven eight nine ten.</p>"
MARKED = "<p>One two three.</p><p>Four.</p><!--more--><p>Five.</p>"
WALLED = "<p>One two three.</p><!--kg-gated-block:begin nonMember:false --><p>Four five six.</p>"


def untold(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


async def publish(database: Database, settings: Settings, **bodies: str | dict[str, Any]) -> None:
    async with database.transaction() as session:
        for slug, sent in bodies.items():
            fields = {"body": sent} if isinstance(sent, str) else sent
            body = ArticleIn.model_validate({"title": slug, **fields})
            prepared = prepare(slug, body, InForce.by_default(settings))
            await store_prepared(session, prepared, if_match=None, actor="test", now=START)


async def cut_by_older_rules(database: Database) -> None:
    """Everything is public, as where a picture came last."""
    async with database.transaction() as session:
        await session.execute(
            update(Article).values(
                preview_html=Article.body_html, preview_text="all", wall_level=None
            )
        )


async def database_version(database: Database) -> int:
    async with database.reading() as session:
        return await content_version(session)


async def previews(database: Database, settings: Settings) -> list[tuple[str, int, str]]:
    found = await list_previews(database, InForce.by_default(settings), now=START, progress=untold)
    return [(each.slug, each.share.percent, each.share.cut_by) for each in found]


@on_sqlite
async def test_the_odd_previews_come_first(database: Database, settings: Settings) -> None:
    await publish(
        database, settings, story=STORY, marked=MARKED, walled=WALLED, hidden="<!--more--><p>One two</p>",
        free={"body": MARKED, "access": {"level": "free"}},
    )  # fmt: skip
    found = await list_previews(database, InForce.by_default(settings), now=START, progress=untold)
    assert [
        (each.slug, each.share.percent, each.share.cut_by, each.level, len(each.oddities))
        for each in found
    ] == [
        ("marked", 80, "mark", "metered", 1),
        ("hidden", 0, "mark", "metered", 1),
        ("free", 80, "mark", "free", 0),
        ("story", 60, "automatic", "metered", 0),
        ("walled", 50, "wall", "subscribers", 0),
    ]
    assert found[0].oddities == [
        "80 % of the words are public, by default at most 60 %: the author's mark is there."
    ]
    assert found[1].oddities == ["Nothing is public: the author's mark comes before the text."]


async def test_previews_are_made_anew_and_marks_stay(
    database: Database, settings: Settings
) -> None:
    await publish(database, settings, story=STORY, marked=MARKED, walled=WALLED)
    await cut_by_older_rules(database)
    before = await database_version(database)
    done: list[tuple[int, int]] = []
    changed = await recut(
        database,
        InForce.by_default(settings),
        actor="command",
        now=START,
        progress=lambda *at: done.append(at),
    )
    assert (changed, done) == (3, [(3, 3)])
    assert await previews(database, settings) == [
        ("marked", 80, "mark"),
        ("story", 60, "automatic"),
        ("walled", 50, "wall"),
    ]
    async with database.reading() as session:
        walled = await get_row(session, "walled")
        entry = (
            await session.scalars(select(AuditEntry).where(AuditEntry.action == "article.recut"))
        ).one()
    assert walled is not None
    assert (walled.version, walled.updated_at, walled.wall_level) == (1, START, "subscribers")
    assert entry.after == {"slugs": ["marked", "story", "walled"]}
    assert await database_version(database) == before + 1
    assert (
        await recut(
            database, InForce.by_default(settings), actor="command", now=START, progress=untold
        )
        == 0
    )
    assert await database_version(database) == before + 1


@on_sqlite
async def test_a_long_archive_is_gone_through_in_batches(
    database: Database, settings: Settings
) -> None:
    await publish(database, settings, **{f"a-{number}": STORY for number in range(BATCH + 1)})
    await cut_by_older_rules(database)
    done: list[tuple[int, int]] = []
    changed = await recut(
        database,
        InForce.by_default(settings),
        actor="command",
        now=START,
        progress=lambda *at: done.append(at),
    )
    assert (changed, done) == (BATCH + 1, [(BATCH, BATCH + 1), (BATCH + 1, BATCH + 1)])


@on_sqlite
async def test_the_level_that_a_wall_set_once_is_the_walls_again(
    database: Database, settings: Settings
) -> None:
    """As the release before stored it; a level that was sent stays."""
    named = {"body": WALLED, "access": {"level": "subscribers"}}
    await publish(database, settings, walled=WALLED, named=named)
    async with database.transaction() as session:
        await session.execute(update(Article).values(level="subscribers", wall_level=None))
    in_force = InForce.by_default(settings)
    await recut(database, in_force, actor="command", now=START, progress=untold)
    async with database.reading() as session:
        found = await session.execute(select(Article.slug, Article.level, Article.wall_level))
        assert {tuple(row) for row in found} == {
            ("walled", None, "subscribers"),
            ("named", "subscribers", "subscribers"),
        }
