"""`paywall import wordpress`: what it did, what it skipped and why, and what became of every item."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import Article
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.content.importers.exports import channel, item
from tests.databases import on_sqlite

pytestmark = on_sqlite


def _articles(settings: Settings) -> int:
    async def count() -> int:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = await session.scalar(select(func.count()).select_from(Article))
        await database.dispose()
        return found or 0

    return asyncio.run(count())


@pytest.fixture
def export(tmp_path: Path) -> Path:
    posts = [
        item({"wp:post_id": str(number), "wp:post_name": f"post-{number}", "guid": f"g{number}"})
        for number in range(3)
    ]
    drafts = [
        item({"wp:post_id": str(number), "title": f"Draft {number}", "wp:status": "draft"})
        for number in range(10, 17)
    ]
    file = tmp_path / "export.xml"
    file.write_bytes(channel("".join([*posts, *drafts])))
    return file


def test_an_import_tells_what_it_did_and_what_it_skipped(
    paywall: Paywall, settings: Settings, export: Path
) -> None:
    tried = paywall("import", "wordpress", str(export), "--dry-run")
    assert (tried.code, tried.err) == (0, "")
    assert tried.out.startswith("3 articles would be created, 0 updated, 0 left unchanged; 7 ")
    assert tried.out.endswith("Nothing was changed: run it again without --dry-run.\n")
    assert _articles(settings) == 0
    done = paywall("import", "wordpress", str(export))
    assert done.code == 0
    assert done.out.startswith("3 articles were created, 0 updated, 0 left unchanged; 7 items")
    assert "\nSkipped\n\n  draft (7)\n    10  Draft 10: It is a draft." in done.out
    assert "… and 2 more" in done.out
    assert _articles(settings) == 3
    again = paywall("import", "wordpress", str(export))
    assert again.out.startswith("0 articles were created, 0 updated, 3 left unchanged; 7 items")


def test_an_import_of_several_files_accounts_for_every_item(
    paywall: Paywall, export: Path, tmp_path: Path
) -> None:
    column = {"wp:post_id": "20", "wp:post_type": "column", "wp:post_name": "a-column"}
    walled = {"content:encoded": '<![CDATA[Open.\n\n[membership level="2"]Paid.[/membership]]]>'}
    other, report = tmp_path / "columns.xml", tmp_path / "report.jsonl"
    other.write_bytes(b"Warning: x\n" + channel(item({**column, **walled})))
    options = ["--type", "column", "--plan", "2=digital", "--report", str(report)]
    done = paywall("import", "wordpress", str(export), str(other), *options)
    assert done.out.startswith("4 articles were created")
    assert "characters stood before the XML began" in done.out
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["mended"] + ["created"] * 3 + ["skipped"] * 7 + [
        "created"
    ]
    assert lines[-1] == {
        "outcome": "created",
        "source_id": "20",
        "title": "A headline",
        "slug": "a-column",
        "level": "subscribers",
        "plans": ["digital"],
        "notes": [
            {
                "kind": "plans",
                "detail": "digital",
                "text": "It opens to these plans alone: digital. They must exist here under these "
                "names.",
            },
            {
                "kind": "unsold-plan",
                "detail": "digital",
                "text": "No offer sells its plan digital yet.",
            },
        ],
    }


def test_what_wordpress_no_longer_shows_is_withdrawn_on_demand(
    paywall: Paywall, export: Path
) -> None:
    paywall("import", "wordpress", str(export))
    gone = {"wp:post_id": "1", "guid": "g1", "wp:status": "trash"}
    export.write_bytes(channel(item(gone)))
    told = paywall("import", "wordpress", str(export))
    assert "still-public (1)" in told.out
    done = paywall("import", "wordpress", str(export), "--withdraw-missing")
    assert "1 articles were withdrawn." in done.out
    full = paywall("import", "wordpress", str(export), "--report", "/dev/full")
    assert full.err.strip().endswith("/dev/full can't be written: No space left on device.")
