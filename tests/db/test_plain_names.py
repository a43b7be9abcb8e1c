"""Sections and tags in yesterday's database lose what nobody sees, and are found as the rules name them."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from service.content.store import term_of
from service.db import migrate
from service.db.engines import async_url
from service.texts import plain_name
from tests.db.test_search_without_accents import ARTICLES, TEXTS

BEFORE, AFTER = "f6c2a817d4e3", "c91f3a7e5d40"
TERMS = sa.table("article_terms", *map(sa.column, ("kind", "term", "article_id")))
STATE = sa.table("content_state", sa.column("id"), sa.column("version"))
NAMES = ["Sport", "Spo\u200brt", "\u202eSport", "Sport ", "sport", "\ufeff", "Élan\r\nvital", "E\u200b\u0301"]  # fmt: skip


async def test_names_are_plain(former_database_url: str) -> None:
    engine = create_async_engine(async_url(former_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        for has_odd in (True, False):
            await _play(connection, has_odd)
            for table in (TERMS, STATE, ARTICLES):
                await connection.execute(sa.delete(table))
            await connection.run_sync(migrate.downgrade, BEFORE)
    await engine.dispose()


async def _play(connection: AsyncConnection, has_odd: bool) -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    names = NAMES if has_odd else ["Sport", "Harbour"]
    columns = [sa.column(each.name, each.type) for each in ARTICLES.c]
    articles = sa.table("articles", *columns, sa.column("section", sa.String()))
    rows: list[dict[str, Any]] = [
        {
            "id": f"art_{number}", "slug": f"a-{number}", "title": "A", "status": "draft",
            "search_text": "", "version": 1, "cut_is_whole": False, "authors": [],
            "tags": [name, "Ferry", "Spo\ufeffrt" if has_odd else "Tide"], "section": name, "plans": [], "source_ids": {},
            "created_at": now, "updated_at": now, **dict.fromkeys(TEXTS, ""),
        }
        for number, name in enumerate(names)
    ]  # fmt: skip
    await connection.execute(sa.insert(articles), rows)
    terms = [
        {"kind": "tag", "term": term, "article_id": row["id"]}
        for row in rows
        for term in {term_of(name) for name in row["tags"]}
    ]
    await connection.execute(sa.insert(TERMS), terms)
    await connection.execute(sa.insert(STATE).values(id=1, version=7))
    await connection.run_sync(migrate.upgrade, AFTER)
    found = sa.select(articles.c.section, articles.c.tags).order_by(articles.c.id)
    mended = [(row.section, row.tags) for row in await connection.execute(found)]
    led = sa.select(TERMS.c.article_id, TERMS.c.term).order_by(*TERMS.c)
    stored = [tuple(row) for row in await connection.execute(led)]
    changed = await connection.scalar(sa.select(STATE.c.version))
    plain = [plain_name(name) for name in names]
    tags = [
        list(dict.fromkeys(filter(None, (name, "Ferry", "Sport" if has_odd else "Tide"))))
        for name in plain
    ]
    assert mended == [(name or None, own) for name, own in zip(plain, tags, strict=True)]
    expected = {(f"art_{number}", term_of(tag)) for number, own in enumerate(tags) for tag in own}
    assert sorted(stored, key=str) == sorted(expected, key=str)
    assert changed == 7 + has_odd
