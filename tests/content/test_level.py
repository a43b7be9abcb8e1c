"""Which level an article has, and what set it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

import service
from service.content.level import (
    LevelAt,
    LevelFacts,
    LevelSource,
    Rules,
    Schedule,
    level_at,
    own_level,
)
from service.levels import Level

PRODUCT = Path(service.__file__).parent


NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("default", get_args(Level))
@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_the_article_goes_first_then_the_publication(own: Level | None, default: Level) -> None:
    expected = LevelAt(own, "article") if own else LevelAt(default, "publication")
    assert level_at(LevelFacts(level=own), Rules(default), NOW) == expected


@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_an_article_with_nothing_behind_its_cut_is_free(own: Level | None) -> None:
    facts = LevelFacts(
        level=own, cut_is_whole=True, published_at=NOW, schedule=Schedule(free_after_days=1)
    )
    assert level_at(facts, Rules("subscribers"), NOW) == LevelAt("free", "cut")


RULES = Rules(
    "metered",
    sections={"News": "registered", "Puzzles": "subscribers"},
    tags={"Election": "free", "Investigation": "subscribers"},
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
    assert level_at(facts, Rules("metered"), NOW + after) == expected
    unpublished = LevelFacts(schedule=schedule)
    assert level_at(unpublished, Rules("metered"), NOW) == LevelAt("metered", "publication")


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
