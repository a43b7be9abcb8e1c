"""A real WordPress export: one of its posts is read, walled and bought."""

import os
from pathlib import Path

import pytest

from service.content.import_articles import ImportSummary, import_articles
from service.content.importers.wordpress import read_export
from service.db.session import Database
from tests.databases import on_sqlite
from tests.served import Installation

EXPORT = os.environ.get("WORDPRESS_EXPORT", "")
pytestmark = [
    pytest.mark.skipif(not EXPORT, reason="WORDPRESS_EXPORT doesn't name a WordPress export"),
]


async def import_all(site: Installation, database: Database) -> ImportSummary:
    return await import_articles(
        database,
        read_export(Path(EXPORT), now=site.clocks.business()),
        settings=site.settings,
        now=site.clocks.business(),
        dry_run=False,
        report=lambda _: None,
    )


@on_sqlite
def test_a_post_is_read_walled_and_bought(site: Installation) -> None:
    summary = site.in_database(lambda database: import_all(site, database))
    assert summary.created > 0
    listed = site.browser.get("/v1/articles?limit=100").json()["items"]
    longer = [
        item["slug"]
        for item in listed
        if (teaser := site.browser.get(f"/v1/articles/{item['slug']}").json())["access"]["metered"]
        and teaser["preview_html"]
    ][:4]
    assert len(longer) == 4
    for slug in longer[:3]:
        opened = site.unlock(slug)
        assert opened.status_code == 200
        preview = site.browser.get(f"/v1/articles/{slug}").json()["preview_html"]
        assert len(opened.json()["article"]["body_html"]) >= len(preview)
    assert site.unlock(longer[3]).status_code == 402
    site.subscribe("yearly", f"/articles/{longer[3]}")
    assert site.unlock(longer[3]).json()["reason"] == "subscription"
