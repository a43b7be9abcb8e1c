"""What an earlier release stored with characters that nobody sees is read as it is, and goes on meeting articles."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.content.level import LevelFacts, level_at
from service.rules.document import RulesIn, read_stored
from service.rules.experiment_document import ExperimentIn, read_plan
from service.rules.rules import Rules
from service.settings import Settings
from tests.conftest import START

UNSEEN = "Archive\u200b"
LEVELS = {
    "default": {"level": "free"},
    "sections": [{"name": "Archive", "level": "metered"}, {"name": UNSEEN, "level": "subscribers"}],
    "tags": [{"name": "Quiz\ufeff", "level": "registered"}],
}
LICENSE = {"contact": "rights\u00ad@example.org", "custom": "https://example.org/\u200b"}
PLAN = {
    "slug": "spring", "question": "More\u2028?", "subject": "prompt", "goal": "paid", "size": 1000,
    "variants": [
        {"name": "a", "share": 50},
        {"name": "b", "share": 50, "words": {"title": "Join\u200b", "text": "Now\x07"}},
    ],
    "sections": [UNSEEN], "ends_at": "2026-06-01T00:00:00Z",
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "levels": LEVELS,
    "meters": [{"name": "old", "sections": [UNSEEN], "tags": ["Quiz\ufeff"], "window": "day", "anonymous": 1, "registered": 2}],
    "walls": {
        "subscribe_wall": {"title": "Read\non", "text": "Now\x07"}, "register_wall": {"title": "", "text": ""},
        "purpose": "For\u2060 us",
    },
    "prompts": [
        {"name": "Spring", "title": "Join", "sections": [UNSEEN]}, {"name": "Spring\ufeff", "title": "Join\u202e"},
    ],
    "crawlers": {"training": "license", "licensed_sections": [UNSEEN], "license": LICENSE},
}  # fmt: skip


def stored() -> Rules:
    return read_stored(DOCUMENT).as_rules(Settings())


def test_rules_are_read_as_they_were_stored() -> None:
    read = read_stored(DOCUMENT).model_dump(mode="json", exclude_unset=True)
    assert read == DOCUMENT
    assert read_stored(read) == read_stored(DOCUMENT)


def test_plans_are_read_as_they_were_stored() -> None:
    assert read_plan(PLAN).model_dump(mode="json", exclude_unset=True) == PLAN


def test_what_an_editor_saves_anew_is_cleaned_or_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        RulesIn.model_validate(DOCUMENT)
    assert {each["loc"][:3] for each in refused.value.errors()} == {
        ("levels",),
        ("crawlers", "license", "contact"),
        ("crawlers", "license", "custom"),
    }
    assert ExperimentIn.model_validate(PLAN).sections == ("Archive",)


@pytest.mark.parametrize("section", ["Archive", UNSEEN, "\u2060Archive"])
def test_each_kind_of_rule_meets_the_articles_of_its_section(section: str) -> None:
    rules, plan = stored(), read_plan(PLAN).as_rule(START)
    level = level_at(LevelFacts(section=section), rules.levels, START).level
    assert level == "subscribers", "the stricter of two that look alike"
    assert rules.meters.rule_of(section, ()).name == "old"
    assert rules.prompts[0].is_about(section, None)
    assert rules.crawlers.needs_license(section)
    assert plan.scope is not None
    assert plan.scope.is_about(section, None)


@pytest.mark.parametrize("tag", ["Quiz", "Quiz\ufeff", "Qu\u180eiz"])
def test_each_kind_of_rule_meets_the_articles_of_its_tag(tag: str) -> None:
    rules = stored()
    assert level_at(LevelFacts(tags=(tag,)), rules.levels, START).level == "registered"
    assert rules.meters.rule_of(None, (tag,)).name == "old"
