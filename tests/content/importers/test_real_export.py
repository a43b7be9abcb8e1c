"""A real WordPress export, read and stored wholly: every item of the file is accounted for."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from service.content.cut import render
from service.content.import_articles import import_articles
from service.content.import_summary import ImportSummary
from service.content.importers.article import Imported, ImportedArticle, Mended, Skipped
from service.content.importers.wordpress import read_exports
from service.db.session import Database
from service.settings import Settings
from tests.content.importers.exports import NOW, OPTIONS, import_run
from tests.content.importers.test_words import LIMITS
from tests.content.importers.visible import visible_words
from tests.databases import on_sqlite

EXPORT = os.environ.get("WORDPRESS_EXPORT", "")
pytestmark = pytest.mark.skipif(
    not EXPORT, reason="WORDPRESS_EXPORT doesn't name a WordPress export"
)


def items_of_the_file() -> list[tuple[str, str, str]]:
    """Id, type and status of every item, read by another parser than the importer's."""
    return [
        (
            item.findtext("{*}post_id") or "",
            item.findtext("{*}post_type") or "",
            item.findtext("{*}status") or "",
        )
        for item in parse(EXPORT).iterfind("channel/item")
    ]


def source_id(result: Imported) -> str:
    assert not isinstance(result, Mended)
    if isinstance(result, Skipped):
        return result.source_id
    return result.source_ids["wordpress"]


def test_every_item_comes_out_as_an_article_or_with_a_reason() -> None:
    items = items_of_the_file()
    results = list(read_exports([Path(EXPORT)], OPTIONS))
    skipped = [result for result in results if isinstance(result, Skipped)]
    kinds = Counter(result.kind for result in skipped)
    print(f"{len(items)} items: {len(results) - len(skipped)} articles; skipped: {dict(kinds)}")  # noqa: T201 shown by -s and on failure

    assert [source_id(result) for result in results] == [number for number, _, _ in items]
    types = Counter(post_type for _, post_type, _ in items if post_type != "post")
    assert {kind: kinds[kind] for kind in types} == types
    posts = Counter(status for _, post_type, status in items if post_type == "post")
    refused = kinds["password-protected"] + kinds["empty"] + kinds["undated"]
    assert len(results) - len(skipped) == posts["publish"] - refused
    assert kinds["draft"] == posts["draft"]
    assert kinds["scheduled"] >= posts["future"]
    assert all(result.reason.endswith(".") for result in skipped)


async def take_in(database: Database, settings: Settings, *, dry_run: bool) -> ImportSummary:
    items = read_exports([Path(EXPORT)], OPTIONS)
    return await import_articles(database, items, import_run(settings, NOW, dry_run=dry_run))


def figures(summary: ImportSummary) -> tuple[int, ...]:
    counts = summary.outcomes
    return (counts["created"], counts["updated"], counts["unchanged"], counts["skipped"])


@on_sqlite
async def test_all_articles_are_stored_and_a_second_import_changes_nothing(
    database: Database, settings: Settings
) -> None:
    results = list(read_exports([Path(EXPORT)], OPTIONS))
    articles = sum(isinstance(result, ImportedArticle) for result in results)
    skipped = len(results) - articles
    for dry_run in (True, False):
        first = await take_in(database, settings, dry_run=dry_run)
        assert figures(first) == (articles, 0, 0, skipped)
    again = await take_in(database, settings, dry_run=False)
    assert figures(again) == (0, 0, articles, skipped)


_CODES = re.compile(r"\[/?(?:caption|gallery|audio)\b[^\[\]]*\]")
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"


def test_no_word_of_any_post_is_lost_or_turned_round() -> None:
    sources = {
        item.findtext("{*}post_id"): item.findtext(_CONTENT) or ""
        for item in parse(EXPORT).iterfind("channel/item")
    }
    made = [r for r in read_exports([Path(EXPORT)], OPTIONS) if isinstance(r, ImportedArticle)]
    assert made
    for article in made:
        source = sources[article.source_ids["wordpress"]]
        shown = visible_words(_CODES.sub(" ", source))
        stored = visible_words(render(article.body, "html", LIMITS).body_html)
        added = iter(stored)
        lost = [word for word in shown if word not in added]
        assert not lost, (article.title, lost[:5])
        # More is there only where a player became a link, or a caption stood beside the text.
        if not any(note.kind == "player" for note in article.notes) and "[" not in source:
            assert stored == shown, article.title
