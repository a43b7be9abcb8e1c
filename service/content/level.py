"""Which level an article has at an instant, what set it, and until when it holds. Pure.

The one place where a level is worked out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args

from service.levels import Level

LevelSource = Literal["article", "tag", "section", "publication", "schedule", "cut"]
"""What set a level. `cut`: the preview is the whole article, so there is nothing to close."""

_STRICTER: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Schedule:
    """How an article's level changes by itself, counted from its publication; None: it doesn't.

    A day is 24 hours here.
    """

    free_hours: int | None = None
    """Free for everybody at first."""
    subscribers_after_days: int | None = None
    """For subscribers from then on: a paid archive."""
    free_after_days: int | None = None


UNSCHEDULED = Schedule()


class Leveled(Protocol):
    """What an article's level depends on; articles of every shape have it."""

    @property
    def level(self) -> Level | None: ...
    @property
    def section(self) -> str | None: ...
    @property
    def tags(self) -> Collection[str]: ...
    @property
    def published_at(self) -> datetime | None: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def cut_is_whole(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class LevelFacts:
    """`Leveled` and no more."""

    level: Level | None = None
    section: str | None = None
    tags: Collection[str] = ()
    published_at: datetime | None = None
    schedule: Schedule = UNSCHEDULED
    cut_is_whole: bool = False


@dataclass(frozen=True)
class Rules:
    """What the publication sets for articles that name no level.

    Of several tags with a level, the one that `tags` names first sets it.
    """

    default: Level
    sections: Mapping[str, Level] = field(default_factory=dict)
    tags: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelAt:
    """The level that holds, what set it, and when it next changes by itself (None: never)."""

    level: Level
    source: LevelSource
    until: datetime | None = None


def level_at(article: Leveled, rules: Rules, now: datetime) -> LevelAt:
    """The effective level at `now`: of the teaser, the page, the meter and the decision."""
    if article.cut_is_whole:
        return LevelAt("free", "cut")
    unscheduled = without_schedule(article, rules)
    held = unscheduled
    for at, level in _changes(article):
        if now < at:
            return replace(held, until=at)
        held = LevelAt(level, "schedule") if level is not None else unscheduled
    return held


def own_level(wall: Level | None, article: Leveled, rules: Rules) -> Level | None:
    """The level to store with an article: its own, else that of a wall in its body.

    None where neither says one, or the publication's rules are as strict as the wall.
    """
    if article.level is not None or wall is None:
        return article.level
    return wall if is_stricter(wall, without_schedule(article, rules).level) else None


def is_stricter(level: Level, other: Level) -> bool:
    """Whether fewer readers may read at `level` than at `other`."""
    return _STRICTER.index(level) > _STRICTER.index(other)


def without_schedule(article: Leveled, rules: Rules) -> LevelAt:
    """The level of the article's text as such, whatever its schedule makes of it today."""
    if article.level is not None:
        return LevelAt(article.level, "article")
    for tag, level in rules.tags.items():
        if tag in article.tags:
            return LevelAt(level, "tag")
    if article.section is not None and article.section in rules.sections:
        return LevelAt(rules.sections[article.section], "section")
    return LevelAt(rules.default, "publication")


def _changes(article: Leveled) -> list[tuple[datetime, Level | None]]:
    """When the schedule sets which level, earliest first; None: the one that holds without it."""
    begins, schedule = article.published_at, article.schedule
    if begins is None:
        return []
    changes: list[tuple[datetime, Level | None]] = []
    if schedule.free_hours is not None:
        changes += [(begins, "free"), (begins + timedelta(hours=schedule.free_hours), None)]
    if schedule.subscribers_after_days is not None:
        changes.append((begins + timedelta(days=schedule.subscribers_after_days), "subscribers"))
    if schedule.free_after_days is not None:
        changes.append((begins + timedelta(days=schedule.free_after_days), "free"))
    return sorted(changes, key=lambda change: change[0])
