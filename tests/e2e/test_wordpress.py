"""A real WordPress export: one of its posts is read, walled and bought."""

import os
from pathlib import Path

import pytest

from service.content.import_articles import import_articles
from service.content.import_summary import ImportSummary
from service.content.importers.wordpress import Options, read_exports
from service.db.session import Database
from tests.content.importers.exports import import_run
from tests.databases import on_sqlite
from tests.served import Installation

EXPORT = os.environ.get("WORDPRESS_EXPORT", "")
pytestmark = [
    pytest.mark.skipif(not EXPORT, reason="WORDPRESS_EXPORT doesn't name a WordPress export"),
]


async def import_all(site: Installation, database: Database) -> ImportSummary:
    now = site.clocks.business()
    items = read_exports([Path(EXPORT)], Options(now, site.settings.zone))
    return await import_articles(database, items, import_run(site.settings, now))


@on_sqlite
def test_a_post_is_read_walled_and_bought(site: Installation) -> None:
    summary = site.in_database(lambda database: import_all(site, database))
    assert summary.outcomes["created"] > 0
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
