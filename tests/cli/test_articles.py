"""`paywall articles`: what an administrator scripts."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.session import Database
from service.db.tables import AuditEntry
from service.rules.in_force import InForce
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.databases import on_sqlite

pytestmark = on_sqlite
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def store(settings: Settings, *slugs: str) -> None:
    async def publish() -> None:
        database = Database(settings.database_url)
        for slug in slugs:
            body = {"title": slug, "body": "<p>One</p><!--more--><p>Two</p>", "section": "News"}
            prepared = prepare(slug, ArticleIn.model_validate(body), InForce.by_default(settings))
            async with database.transaction() as session:
                await store_prepared(session, prepared, if_match=None, actor="test", now=NOW)
        await database.dispose()

    asyncio.run(publish())


def audited(settings: Settings) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        database = Database(settings.database_url)
        async with database.reading() as session:
            rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
            found = [(row.actor, row.action) for row in rows if row.actor == "command"]
        await database.dispose()
        return found

    return asyncio.run(read())


def test_articles_are_listed_and_changed(paywall: Paywall, settings: Settings) -> None:
    store(settings, "ferry", "crane")
    assert paywall("articles", "level", "ferry", "subscribers").out == "ferry is subscribers now.\n"
    assert paywall("articles", "withdraw", "crane").out == "crane is withdrawn.\n"
    listed = sorted(paywall("articles", "list", "--section", "News").out.splitlines())
    assert listed == [
        "published  subscribers article     ferry",
        "withdrawn  metered     publication crane",
    ]
    assert paywall("articles", "list", "--level", "metered").out.split()[-1] == "crane"
    assert paywall("articles", "publish", "crane").out == "crane is published.\n"
    assert paywall("articles", "level", "ferry", "default").code == 0
    assert "published  metered     publication ferry" in paywall("articles", "list").out
    assert audited(settings) == [
        ("command", "article.change-access"), ("command", "article.withdraw"),
        ("command", "article.publish"), ("command", "article.change-access"),
    ]  # fmt: skip


def test_what_isnt_there_is_said_in_a_sentence(paywall: Paywall, settings: Settings) -> None:
    store(settings, "ferry")
    unknown = paywall("articles", "withdraw", "never")
    assert unknown.code == 1
    assert "Article never not found. See `paywall articles list`." in unknown.err
    odd = paywall("articles", "level", "ferry", "secret")
    assert odd.code == 1
    assert "Choose one of free, metered, registered, subscribers." in odd.err
