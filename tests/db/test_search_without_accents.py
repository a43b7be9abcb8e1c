"""What search looks through in yesterday's database loses its accents."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.content.folding import folded
from service.db import migrate
from service.db.base import Json, UtcDateTime
from service.db.engines import async_url

BEFORE, AFTER = "5d0c9e41b7a2", "c81e6f20d94b"
TEXTS = ("standfirst", "body_source", "body_format", "body_html", "preview_html", "preview_text")
ARTICLES = sa.table(
    "articles",
    *map(sa.column, ("id", "slug", "title", "status", "search_text", "version", *TEXTS)),
    sa.column("cut_is_whole", sa.Boolean()),
    *(sa.column(name, Json()) for name in ("authors", "tags", "plans", "source_ids")),
    *(sa.column(name, UtcDateTime()) for name in ("created_at", "updated_at")),
)
WRITTEN = ["l’économie à łódź", "harbour", "أخبار"]


async def test_accents_go_from_what_is_searched(empty_database_url: str) -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    engine = create_async_engine(async_url(empty_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        rows = [
            {
                "id": f"art_{number:03}", "slug": f"a-{number}", "title": "A", "status": "draft",
                "search_text": WRITTEN[number % len(WRITTEN)], "version": 1, "cut_is_whole": False,
                "authors": [], "tags": [], "plans": [], "source_ids": {}, "created_at": now,
                "updated_at": now, **dict.fromkeys(TEXTS, ""),
            }
            for number in range(401)
        ]  # fmt: skip
        await connection.execute(sa.insert(ARTICLES), rows)
        await connection.run_sync(migrate.upgrade, AFTER)
        found = (await connection.execute(sa.select(ARTICLES.c.id, ARTICLES.c.search_text))).all()
    await engine.dispose()
    assert dict(map(tuple, found)) == {row["id"]: folded(str(row["search_text"])) for row in rows}
