"""Which level an article has at an instant, what set it, and until when it holds. Pure.

The one place where a level is worked out.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args

from service.levels import Level
from service.rules.rules import UNSCHEDULED, LevelRule, LevelRules, Schedule

LevelSource = Literal["article", "tag", "section", "publication", "schedule", "cut"]
"""What set a level. `cut`: the preview is the whole article, so there is nothing to close."""

_STRICTER: tuple[Level, ...] = get_args(Level)


class Leveled(Protocol):
    """What an article's level depends on; articles of every shape have it."""

    @property
    def level(self) -> Level | None: ...
    @property
    def section(self) -> str | None: ...
    @property
    def tags(self) -> Collection[str]: ...
    @property
    def plans(self) -> frozenset[str]: ...
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
    plans: frozenset[str] = frozenset()
    published_at: datetime | None = None
    schedule: Schedule = UNSCHEDULED
    cut_is_whole: bool = False


@dataclass(frozen=True)
class LevelAt:
    """The level that holds, what set it, and when it next changes by itself (None: never).

    `plans` open the article at level subscribers; none: every plan.
    """

    level: Level
    source: LevelSource
    until: datetime | None = None
    plans: frozenset[str] = frozenset()


def level_at(article: Leveled, rules: LevelRules, now: datetime) -> LevelAt:
    """The effective level at `now`: of the teaser, the page, the meter and the decision.

    An article that names a level has its own schedule or none; another has that of what sets its level.
    """
    if article.cut_is_whole:
        return LevelAt("free", "cut")
    rule, source = _rule(article, rules)
    held = unscheduled = LevelAt(rule.level, source, plans=_plans(article, rule, rule.level))
    for at, level in _changes(rule.schedule, article.published_at):
        if now < at:
            return replace(held, until=at)
        if level is None:
            held = unscheduled
        else:
            held = LevelAt(level, "schedule", plans=_plans(article, rule, level))
    return held


def own_level(wall: Level | None, article: Leveled, rules: LevelRules) -> Level | None:
    """The level to store with an article: its own, else that of a wall in its body.

    None where neither says one, or the publication's rules are as strict as the wall.
    """
    if article.level is not None or wall is None:
        return article.level
    return wall if is_stricter(wall, without_schedule(article, rules)) else None


def is_stricter(level: Level, other: Level) -> bool:
    """Whether fewer readers may read at `level` than at `other`."""
    return _STRICTER.index(level) > _STRICTER.index(other)


def without_schedule(article: Leveled, rules: LevelRules) -> Level:
    """The level of the article's text as such, whatever its schedule makes of it today."""
    return _rule(article, rules)[0].level


def _rule(article: Leveled, rules: LevelRules) -> tuple[LevelRule, LevelSource]:
    """What the article says of itself, or the first rule that says it."""
    if article.level is not None:
        return LevelRule(article.level, article.plans, article.schedule), "article"
    rule, source = _inherited(article, rules)
    if article.schedule != UNSCHEDULED:
        rule = replace(rule, schedule=article.schedule)
    return rule, source


def _inherited(article: Leveled, rules: LevelRules) -> tuple[LevelRule, LevelSource]:
    for tag, rule in rules.tags.items():
        if tag in article.tags:
            return rule, "tag"
    if article.section is not None and article.section in rules.sections:
        return rules.sections[article.section], "section"
    return rules.default, "publication"


def _plans(article: Leveled, rule: LevelRule, level: Level) -> frozenset[str]:
    return (article.plans or rule.plans) if level == "subscribers" else frozenset()


def _changes(schedule: Schedule, begins: datetime | None) -> list[tuple[datetime, Level | None]]:
    """When the schedule sets which level, earliest first; None: the one that holds without it."""
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
