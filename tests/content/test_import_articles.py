from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.content.import_articles import BATCH, ImportSummary, import_articles
from service.content.importers.wordpress import ImportedArticle, Skipped
from service.content.publish import put_article, withdraw_article
from service.content.schemas import ArticleIn
from service.content.store import get_article, list_for_staff
from service.db.session import Database
from service.settings import Settings
from tests.conftest import START
from tests.databases import on_sqlite


def post(number: int, **fields: Any) -> ImportedArticle:
    usual: dict[str, Any] = {
        "slug": f"post-{number}",
        "title": f"Post {number}",
        "standfirst": "",
        "body": "<p>One</p><!--more--><p>Two</p>",
        "body_format": "html",
        "authors": ("Maren Tolliver",),
        "section": "News",
        "tags": ("sea",),
        "canonical_url": None,
        "image_url": "https://a.example/a.jpg",
        "image_alt": None,
        "language": "en",
        "published_at": START - timedelta(days=number),
        "source_ids": {
            "wordpress": str(number),
            "wordpress_guid": f"https://a.example/?p={number}",
        },
    }
    return ImportedArticle(**{**usual, **fields})


async def run(
    database: Database,
    settings: Settings,
    *items: ImportedArticle | Skipped,
    dry_run: bool = False,
) -> ImportSummary:
    return await import_articles(
        database,
        items,
        settings=settings,
        now=START,
        dry_run=dry_run,
        report=lambda _: None,
    )


def figures(summary: ImportSummary) -> tuple[int, int, int, list[str]]:
    kinds = [item.kind for item in summary.skipped]
    return (summary.created, summary.updated, summary.unchanged, kinds)


async def stored(database: Database) -> set[str]:
    async with database.reading() as session:
        page = await list_for_staff(session, cursor=None, limit=100)
    return {row.slug for row in page.items}


async def test_an_import_can_be_repeated(database: Database, settings: Settings) -> None:
    draft = Skipped(title="Draft", source_id="9", reason="It is a draft.", kind="draft")
    assert figures(await run(database, settings, post(1), draft, post(2))) == (2, 0, 0, ["draft"])
    async with database.reading() as session:
        first = await get_article(session, "post-1")
    assert first is not None
    assert (first.preview_html, first.authors) == ("<p>One</p>", ("Maren Tolliver",))
    assert first.published_at == START - timedelta(days=1)
    again = await run(database, settings, post(1), draft, post(2, title="Renamed"), post(3))
    assert figures(again) == (1, 1, 1, ["draft"])


@on_sqlite
async def test_a_trial_run_writes_nothing(database: Database, settings: Settings) -> None:
    await run(database, settings, post(1))
    tried = await run(database, settings, post(1, title="New"), post(2), dry_run=True)
    assert figures(tried) == (1, 1, 0, [])
    assert await stored(database) == {"post-1"}
    assert figures(await run(database, settings, post(1), post(2))) == (1, 0, 1, [])


@on_sqlite
@pytest.mark.parametrize(
    "fields",
    [
        {"title": "a" * 301},
        {"body": "<div>" * 1000},
        {"body": "a\0b"},
        {"canonical_url": "javascript:x"},
        {"slug": "Not a slug"},
        {"tags": tuple(str(number) for number in range(101))},
    ],
)
async def test_what_a_put_refuses_is_skipped_with_the_reason(
    database: Database, settings: Settings, fields: dict[str, Any]
) -> None:
    summary = await run(database, settings, post(1, **fields), post(2))
    assert figures(summary) == (1, 0, 0, ["invalid"])
    (skipped,) = summary.skipped
    assert skipped.source_id == "1"
    assert len(skipped.reason) > 20
    assert await stored(database) == {"post-2"}


@on_sqlite
async def test_an_article_of_another_origin_is_left_alone(
    database: Database, settings: Settings
) -> None:
    body = ArticleIn(title="Ours", body="<p>Ours</p>")
    async with database.transaction() as session:
        await put_article(
            session, "post-1", body, if_match=None, actor="op", settings=settings, now=START
        )
    await run(database, settings, post(2))
    other = {"wordpress": "2", "wordpress_guid": "https://b.example/?p=2"}
    summary = await run(database, settings, post(1), post(2, source_ids=other), post(3))
    assert figures(summary) == (1, 0, 0, ["taken", "taken"])


@on_sqlite
async def test_what_was_changed_here_stays(database: Database, settings: Settings) -> None:
    await run(database, settings, post(1), post(2))
    body = ArticleIn(title="Better", body="<p>1</p>", source_ids=post(1).source_ids)
    async with database.transaction() as session:
        await put_article(
            session, "post-1", body, if_match=None, actor="op", settings=settings, now=START
        )
        await withdraw_article(session, "post-2", if_match=None, actor="op", now=START)
    summary = await run(database, settings, post(1), post(2))
    assert figures(summary) == (0, 0, 0, ["changed-here", "changed-here"])


async def test_an_interrupted_import_keeps_whole_batches_and_goes_on(
    database: Database, settings: Settings
) -> None:
    def breaking_off() -> Iterator[ImportedArticle]:
        yield from (post(number) for number in range(BATCH + 5))
        raise OSError("the disk is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="disk"):
        await import_articles(
            database,
            breaking_off(),
            settings=settings,
            now=START,
            dry_run=False,
            report=lambda summary: seen.append(summary.total),
        )
    assert seen == [BATCH]
    summary = await run(database, settings, *(post(number) for number in range(BATCH + 5)))
    assert figures(summary) == (5, 0, BATCH, [])
