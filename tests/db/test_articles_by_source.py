"""Articles that were imported before are found by their source's id afterwards."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.base import Json, UtcDateTime
from service.db.engines import async_url

BEFORE, AFTER = "c81e6f20d94b", "c41e8b6f2a90"
TEXTS = (
    "id", "slug", "title", "standfirst", "body_source", "body_format", "body_html", "preview_html",
    "preview_text", "search_text", "status",
)  # fmt: skip
ARTICLES = sa.table(
    "articles",
    *map(sa.column, TEXTS),
    *(sa.column(name, Json()) for name in ("authors", "tags", "plans", "source_ids")),
    *(sa.column(name, UtcDateTime()) for name in ("created_at", "updated_at")),
    sa.column("cut_is_whole", sa.Boolean()),
    sa.column("version", sa.Integer()),
)
TERMS = sa.table("article_terms", *map(sa.column, ("kind", "term", "article_id")))
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def article(name: str, source_ids: dict[str, str]) -> dict[str, Any]:
    texts = dict.fromkeys(TEXTS, name)
    lists: dict[str, Any] = {"authors": [], "tags": [], "plans": [], "source_ids": source_ids}
    times = {"created_at": NOW, "updated_at": NOW}
    return {**texts, **lists, **times, "cut_is_whole": False, "version": 1}


async def test_imported_articles_are_found_by_their_source(empty_database_url: str) -> None:
    engine = create_async_engine(async_url(empty_database_url))
    rows = [
        article("art_1", {"wordpress": "7", "wordpress_guid": "https://a.example/?p=7"}),
        article("art_2", {"cms": "7"}),
        article("art_3", {"wordpress_guid": "x" * 900}),
    ]
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        await connection.execute(sa.insert(ARTICLES), rows)
        await connection.run_sync(migrate.upgrade, AFTER)
        found = (await connection.execute(sa.select(TERMS))).all()
    await engine.dispose()
    assert found == [("source", "wordpress_guid=https://a.example/?p=7", "art_1")]
