"""The articles that were read in the invented year, before those of the front page."""

import tomllib
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.content.store import get_row
from service.db.context import Context
from service.rules.in_force import rules_in_force

_ARCHIVE = Path(__file__).parent / "archive.toml"


async def publish_archive(session: AsyncSession, context: Context, *, actor: str) -> None:
    """Publish them, dated relative to today: each when it appeared, as its revision says."""
    now, in_force = (
        context.clocks.business(),
        await rules_in_force(context.settings, context.database),
    )
    articles = tomllib.loads(_ARCHIVE.read_text(encoding="utf-8"))["article"]
    for each in sorted(articles, key=lambda each: -each["days_ago"]):
        published_at = now - timedelta(days=each["days_ago"])
        document = ArticleIn.model_validate(
            {
                "title": each["title"], "standfirst": each["standfirst"],
                "body": each["body"].strip(), "body_format": "markdown",
                "authors": [{"name": each["author"]}], "section": each["section"],
                "language": "en", "published_at": published_at, "tags": each.get("tags", []),
                "access": {"level": each.get("level")},
            }
        )  # fmt: skip
        if await get_row(session, each["slug"]) is None:
            prepared = prepare(each["slug"], document, in_force)
            await store_prepared(session, prepared, if_match=None, actor=actor, now=published_at)
