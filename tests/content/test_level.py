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
    said_level,
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
        (Schedule(free_hours=24, free_after_days=1), HOUR, "free", "schedule", None),
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


SOON_FREE = Schedule(free_after_days=1)
WALLS: list[tuple[str, LevelFacts, LevelRule, LevelAt]] = [
    ("a rule as strict holds", LevelFacts(wall_level="subscribers"), LevelRule("subscribers"), LevelAt("subscribers", "publication")),
    ("a stricter rule holds", LevelFacts(wall_level="registered"), LevelRule("subscribers"), LevelAt("subscribers", "publication")),
    ("a looser rule opens nothing", LevelFacts(wall_level="subscribers"), LevelRule("metered"), LevelAt("subscribers", "wall")),
    ("nor a free one", LevelFacts(wall_level="registered"), LevelRule("free"), LevelAt("registered", "wall")),
    ("nor the rule's schedule", LevelFacts(wall_level="subscribers"), LevelRule("metered", schedule=SOON_FREE), LevelAt("subscribers", "wall")),
    ("whatever level the rule has", LevelFacts(wall_level="registered"), LevelRule("subscribers", schedule=SOON_FREE), LevelAt("registered", "wall")),
    ("a schedule may close more", LevelFacts(wall_level="registered"), LevelRule("free", schedule=Schedule(subscribers_after_days=1)), LevelAt("subscribers", "schedule")),
    ("the rule's plans open it", LevelFacts(wall_level="subscribers"), LevelRule("metered", frozenset({"print"})), LevelAt("subscribers", "wall", plans=frozenset({"print"}))),
    ("the article's plans before them", LevelFacts(wall_level="subscribers", plans=frozenset({"digital"})), LevelRule("metered", frozenset({"print"})), LevelAt("subscribers", "wall", plans=frozenset({"digital"}))),
    ("the article's level opens it", LevelFacts(level="free", wall_level="subscribers"), LevelRule("subscribers"), LevelAt("free", "article")),
    ("and so does its schedule", LevelFacts(wall_level="subscribers", schedule=SOON_FREE), LevelRule("metered"), LevelAt("free", "schedule")),
    ("an empty text has nothing to close", LevelFacts(wall_level="subscribers", cut_is_whole=True), LevelRule("metered"), LevelAt("free", "cut")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "rule", "expected"), [case[1:] for case in WALLS], ids=[case[0] for case in WALLS]
)
def test_no_rule_opens_what_a_wall_in_the_text_closes(
    facts: LevelFacts, rule: LevelRule, expected: LevelAt
) -> None:
    published = replace(facts, published_at=NOW)
    assert level_at(published, LevelRules(rule), NOW + 2 * DAY) == expected


def test_a_wall_that_the_schedule_does_not_open_holds_for_good() -> None:
    facts = LevelFacts(wall_level="subscribers", published_at=NOW)
    rules = LevelRules(LevelRule("metered", schedule=Schedule(free_hours=3, free_after_days=1)))
    assert level_at(facts, rules, NOW + HOUR) == LevelAt("subscribers", "wall")


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
    ("own", "section", "wall", "said"),
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
    own: Level | None, section: str | None, wall: Level | None, said: Level | None
) -> None:
    facts = LevelFacts(level=own, section=section, wall_level=wall)
    assert said_level(facts, RULES) == said
