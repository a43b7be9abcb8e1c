"""Which level an article has, and what set it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

import service
from service.content.level import (
    LevelAt,
    LevelFacts,
    LevelSource,
    level_at,
    own_level,
)
from service.levels import Level
from service.rules.rules import LevelRule, LevelRules, Schedule

PRODUCT = Path(service.__file__).parent


NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)


def publication(level: Level) -> LevelRules:
    """The rules of a publication that sets one level for all."""
    return LevelRules(LevelRule(level))


@pytest.mark.parametrize("default", get_args(Level))
@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_the_article_goes_first_then_the_publication(own: Level | None, default: Level) -> None:
    expected = LevelAt(own, "article") if own else LevelAt(default, "publication")
    assert level_at(LevelFacts(level=own), publication(default), NOW) == expected


@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_an_article_with_nothing_behind_its_cut_is_free(own: Level | None) -> None:
    facts = LevelFacts(
        level=own, cut_is_whole=True, published_at=NOW, schedule=Schedule(free_after_days=1)
    )
    assert level_at(facts, publication("subscribers"), NOW) == LevelAt("free", "cut")


RULES = LevelRules(
    LevelRule("metered"),
    sections={"News": LevelRule("registered"), "Puzzles": LevelRule("subscribers")},
    tags={"Election": LevelRule("free"), "Investigation": LevelRule("subscribers")},
)


@pytest.mark.parametrize(
    ("own", "section", "tags", "level", "source"),
    [
        (None, None, (), "metered", "publication"),
        (None, "Sport", ("Tide",), "metered", "publication"),
        (None, "News", (), "registered", "section"),
        (None, "news", (), "metered", "publication"),
        (None, "News", ("Tide", "Investigation"), "subscribers", "tag"),
        (None, "Puzzles", ("Investigation", "Election"), "free", "tag"),
        ("metered", "News", ("Election",), "metered", "article"),
    ],
)
def test_a_tag_goes_before_the_section_and_the_article_before_both(
    own: Level | None, section: str | None, tags: tuple[str, ...], level: Level, source: LevelSource
) -> None:
    facts = LevelFacts(level=own, section=section, tags=tags)
    assert level_at(facts, RULES, NOW) == LevelAt(level, source)


@pytest.mark.parametrize(
    ("schedule", "after", "level", "source", "until"),
    [
        (Schedule(), DAY, "metered", "publication", None),
        (Schedule(free_hours=3), -TICK, "metered", "publication", timedelta(0)),
        (Schedule(free_hours=3), timedelta(0), "free", "schedule", 3 * HOUR),
        (Schedule(free_hours=3), 3 * HOUR - TICK, "free", "schedule", 3 * HOUR),
        (Schedule(free_hours=3), 3 * HOUR, "metered", "publication", None),
        (Schedule(free_after_days=30), 29 * DAY, "metered", "publication", 30 * DAY),
        (Schedule(free_after_days=30), 30 * DAY, "free", "schedule", None),
        (Schedule(subscribers_after_days=7), 7 * DAY, "subscribers", "schedule", None),
        (Schedule(free_hours=3, subscribers_after_days=7, free_after_days=30), 4 * HOUR, "metered", "publication", 7 * DAY),
        (Schedule(free_hours=3, subscribers_after_days=7, free_after_days=30), 8 * DAY, "subscribers", "schedule", 30 * DAY),
        (Schedule(free_hours=3, subscribers_after_days=7, free_after_days=30), 31 * DAY, "free", "schedule", None),
        (Schedule(free_hours=24, subscribers_after_days=1), DAY, "subscribers", "schedule", None),
        (Schedule(subscribers_after_days=30, free_after_days=7), 8 * DAY, "free", "schedule", 30 * DAY),
    ],
)  # fmt: skip
def test_a_schedule_counts_from_the_publication(
    schedule: Schedule, after: timedelta, level: Level, source: LevelSource, until: timedelta | None
) -> None:
    facts = LevelFacts(published_at=NOW, schedule=schedule)
    expected = LevelAt(level, source, NOW + until if until is not None else None)
    assert level_at(facts, publication("metered"), NOW + after) == expected
    unpublished = LevelFacts(schedule=schedule)
    assert level_at(unpublished, publication("metered"), NOW) == LevelAt("metered", "publication")


ARCHIVE = LevelRules(
    LevelRule("metered", schedule=Schedule(subscribers_after_days=30)),
    sections={
        "News": LevelRule("free", schedule=Schedule(free_hours=24)),
        "Books": LevelRule("subscribers", frozenset({"culture"})),
        "Essays": LevelRule("metered", frozenset({"print"}), Schedule(subscribers_after_days=1)),
    },
    tags={"Election": LevelRule("free")},
)


@pytest.mark.parametrize(
    ("facts", "after", "expected"),
    [
        # the publication's paid archive
        (LevelFacts(), 29 * DAY, LevelAt("metered", "publication", NOW + 30 * DAY)),
        (LevelFacts(), 30 * DAY, LevelAt("subscribers", "schedule")),
        # the rule that sets the level brings its schedule, or none
        (LevelFacts(section="Books"), 31 * DAY, LevelAt("subscribers", "section", plans=frozenset({"culture"}))),
        (LevelFacts(tags=("Election",)), 31 * DAY, LevelAt("free", "tag")),
        (LevelFacts(section="News", tags=("Election",)), HOUR, LevelAt("free", "tag")),
        # an article that names its level has its own schedule alone
        (LevelFacts(level="metered"), 31 * DAY, LevelAt("metered", "article")),
        (LevelFacts(level="subscribers", plans=frozenset({"print"}), section="Books"), HOUR, LevelAt("subscribers", "article", plans=frozenset({"print"}))),
        (LevelFacts(plans=frozenset({"print"}), section="Books"), HOUR, LevelAt("subscribers", "section", plans=frozenset({"print"}))),
        # one that names a schedule keeps the level of the rule
        (LevelFacts(section="Books", schedule=Schedule(free_after_days=2)), HOUR, LevelAt("subscribers", "section", NOW + 2 * DAY, frozenset({"culture"}))),
        (LevelFacts(schedule=Schedule(free_after_days=60)), 31 * DAY, LevelAt("metered", "publication", NOW + 60 * DAY)),
        # plans count where the article is for subscribers
        (LevelFacts(section="Essays"), HOUR, LevelAt("metered", "section", NOW + DAY)),
        (LevelFacts(section="Essays"), DAY, LevelAt("subscribers", "schedule", plans=frozenset({"print"}))),
    ],
)  # fmt: skip
def test_a_rule_brings_its_plans_and_its_schedule(
    facts: LevelFacts, after: timedelta, expected: LevelAt
) -> None:
    published = replace(facts, published_at=NOW)
    assert level_at(published, ARCHIVE, NOW + after) == expected


def test_the_levels_are_spelled_once() -> None:
    words = r"[\"']free[\"']\s*[,|]\s*[\"']metered[\"']\s*[,|]\s*[\"']registered[\"']"
    spelled = [path for path in PRODUCT.rglob("*.py") if re.search(words, path.read_text())]
    assert spelled == [PRODUCT / "levels.py"]


@pytest.mark.parametrize(
    ("own", "section", "wall", "stored"),
    [
        (None, None, None, None),
        (None, None, "subscribers", "subscribers"),
        (None, "News", "subscribers", "subscribers"),
        (None, "News", "registered", None),
        (None, "Puzzles", "registered", None),
        ("free", None, "subscribers", "free"),
        ("subscribers", None, "registered", "subscribers"),
    ],
)
def test_a_wall_in_the_body_sets_the_level_where_nothing_as_strict_does(
    own: Level | None, section: str | None, wall: Level | None, stored: Level | None
) -> None:
    assert own_level(wall, LevelFacts(level=own, section=section), RULES) == stored
