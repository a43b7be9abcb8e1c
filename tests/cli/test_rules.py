"""`paywall rules`: the document out, and changed back in."""

import asyncio
import json
from pathlib import Path

import pytest

from service.db.session import Database
from service.db.tables import RulesVersion
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.conftest import START
from tests.databases import on_sqlite

pytestmark = on_sqlite


def test_rules_are_shown_changed_and_looked_up(paywall: Paywall, tmp_path: Path) -> None:
    shown = json.loads(paywall("rules", "show").out)
    assert shown["levels"]["default"]["level"] == "metered"
    shown["levels"]["sections"] = [{"name": "Café", "level": "free"}]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(shown, ensure_ascii=False))
    said = "Version 1 is now current.\nThe section Café has no articles yet.\n"
    assert paywall("rules", "apply", str(file)).out == said
    assert paywall("rules", "apply", str(file), "--after", "1").out == said
    assert '"Café"' in paywall("rules", "show").out
    assert paywall("rules", "history").out.split()[0] == "1"
    shown["levels"]["default"]["level"] = "free"
    file.write_text(json.dumps(shown))
    late = paywall("rules", "apply", str(file), "--after", "0")
    assert (late.code, late.out) == (1, "")
    assert "`paywall rules history`" in late.err
    assert "ETag" not in late.err, "a command has none"
    sent = paywall("rules", "apply", "-", typed=json.dumps(shown))
    assert sent.out.startswith("Version 2 is now current.")
    former = json.loads(paywall("rules", "show", "--version", "1").out)
    assert former["levels"]["default"]["level"] == "metered"
    assert json.loads(paywall("rules", "show").out)["levels"]["default"]["level"] == "free"
    unknown = paywall("rules", "show", "--version", "9")
    assert (unknown.code, unknown.out) == (1, "")
    assert "Version 9 of the rules not found." in unknown.err


@pytest.mark.parametrize("level", ["free", "members"])
def test_what_a_later_release_wrote_is_shown_as_it_is_stored(
    paywall: Paywall, tmp_path: Path, settings: Settings, level: str
) -> None:
    document = json.loads(paywall("rules", "show").out)
    document["levels"]["default"] |= {"level": level, "later": True}

    async def store() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            session.add(RulesVersion(version=1, at=START, actor="x", document=document))
        await database.dispose()

    asyncio.run(store())
    for asked in ([], ["--version", "1"]):
        shown = paywall("rules", "show", *asked)
        assert (shown.code, json.loads(shown.out)) == (0, document), asked
        assert shown.err.startswith("A later release saved version 1. This release can show it")
        assert "Traceback" not in shown.err
    file = tmp_path / "rules.json"
    file.write_text('{"levels": {"default": {"level": "free"}}}')
    applied = paywall("rules", "apply", str(file))
    assert (applied.code, "later release" in applied.err.lower()) == (1, True)


PLAN = {
    "slug": "spring", "question": "Does it help?", "subject": "limit", "goal": "paid", "size": 1000,
    "variants": [
        {"name": "a", "share": 50},
        {"name": "b", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
    ],
    "ends_at": "2999-01-01T00:00:00Z",
}  # fmt: skip


def test_a_plan_is_shown_changed_and_deleted(paywall: Paywall) -> None:
    assert paywall("experiments", "plan", "-", typed=json.dumps(PLAN)).code == 0
    shown = json.loads(paywall("experiments", "show", "spring").out)
    assert shown["variants"][1]["limits"] == {"anonymous": 1, "registered": 2}
    changed = paywall("experiments", "plan", "-", typed=json.dumps({**shown, "size": 2000}))
    assert changed.code == 0
    assert json.loads(paywall("experiments", "show", "spring").out)["size"] == 2000
    assert paywall("experiments", "delete", "spring").out == "spring is deleted.\n"
    assert "Experiment spring not found." in paywall("experiments", "show", "spring").err


def test_a_running_experiment_keeps_its_meter(paywall: Paywall, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(PLAN))
    assert paywall("experiments", "plan", str(plan)).code == 0
    assert paywall("experiments", "start", "spring").code == 0
    shown = json.loads(paywall("rules", "show").out)
    begun = paywall("experiments", "delete", "spring")
    assert (begun.code, "It can only be stopped." in begun.err) == (1, True)
    shown["meter"]["anonymous"] = 9
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(shown))
    refused = paywall("rules", "apply", str(file))
    assert (refused.code, "Stop it first" in refused.err) == (1, True)
    assert paywall("experiments", "stop", "spring").code == 0
    assert paywall("rules", "apply", str(file)).out == "Version 1 is now current.\n"


def test_what_is_wrong_with_a_file_is_a_sentence(paywall: Paywall, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    for text, words in [
        ("{", "It isn't JSON"),
        ("", "It isn't JSON"),
        (
            '{"levels": {"default": {"level": "free"}}, "gift_links": {"per_month": -1, "days": 1, "readers": 1}}',
            "gift_links.per_month: It is too small. Send at least 0.",
        ),
        ('{"levels": {"default": {"level": "open"}}}', "levels.default.level"),
        ("\xff", "the document"),
    ]:
        file.write_bytes(text.encode("latin-1"))
        refused = paywall("rules", "apply", str(file))
        assert (refused.code, refused.out) == (1, "")
        assert words in refused.err
        assert "No rules were changed" in refused.err
    sent = paywall("rules", "apply", "-", typed="{")
    assert "In standard input: " in sent.err
    missing = paywall("rules", "apply", str(tmp_path / "none.json"))
    assert "can't be read" in missing.err
    none = paywall("rules", "apply", str(file.with_name("same.json")))
    assert none.code == 1
