"""Which level an article has at an instant, what set it, and until when it holds. Pure.

The one place where a level is worked out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from service.levels import LEVELS, Level
from service.rules.rules import UNSCHEDULED, LevelRule, LevelRules, Schedule
from service.texts import plain_name

LevelSource = Literal["article", "wall", "tag", "section", "publication", "schedule", "cut"]
"""What set a level. `wall`: one in the article's text; `cut`: the preview is the whole article, so there is
nothing to close.
"""


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
    @property
    def wall_level(self) -> Level | None: ...


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
    wall_level: Level | None = None
    """Whom a wall in the text leaves it to; None: it has none."""


class LevelAt(NamedTuple):
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
    No rule, nor its schedule, opens what a wall in the text closes: only what the article says of itself.
    """
    if article.cut_is_whole:
        return LevelAt("free", "cut")
    said = _said(article, rules)
    held = said.at_first
    for at, level in _changes(said.rule.schedule, article.published_at):
        following = said.at_first if level is None else said.changed_to(level)
        if following == held:
            continue
        if now < at:
            return held._replace(until=at)
        held = following
    return held


def said_level(article: Leveled, rules: LevelRules) -> Level | None:
    """What the article says of itself: the level it names, else that of a wall in its text.

    None where neither says one, or a rule is as strict as the wall.
    """
    at_first = _said(article, rules).at_first
    return at_first.level if at_first.source in {"article", "wall"} else None


def is_stricter(level: Level, other: Level) -> bool:
    """Whether fewer readers may read at `level` than at `other`."""
    return LEVELS.index(level) > LEVELS.index(other)


def without_schedule(article: Leveled, rules: LevelRules) -> Level:
    """The level of the article's text as such, whatever its schedule makes of it today."""
    return _said(article, rules).at_first.level


class _Said(NamedTuple):
    """What the article says of itself, or the first rule that says it.

    `floor`: no change by the schedule is less strict.
    """

    rule: LevelRule
    at_first: LevelAt
    floor: Level | None = None

    def changed_to(self, level: Level) -> LevelAt:
        if self.floor is not None and is_stricter(self.floor, level):
            return LevelAt(self.floor, "wall", plans=_plans(self.rule, self.floor))
        return LevelAt(level, "schedule", plans=_plans(self.rule, level))


def _said(article: Leveled, rules: LevelRules) -> _Said:
    if article.level is not None:
        own = LevelRule(article.level, article.plans, article.schedule)
        return _Said(own, LevelAt(own.level, "article", plans=_plans(own, own.level)))
    rule, source = _inherited(article, rules)
    is_scheduled = article.schedule != UNSCHEDULED
    if article.plans or is_scheduled:
        rule = LevelRule(
            rule.level, article.plans or rule.plans,
            article.schedule if is_scheduled else rule.schedule,
        )  # fmt: skip
    wall = article.wall_level
    level = rule.level
    if wall is not None and is_stricter(wall, level):
        level, source = wall, "wall"
    at_first = LevelAt(level, source, plans=_plans(rule, level))
    return _Said(rule, at_first, None if is_scheduled else wall)


def _inherited(article: Leveled, rules: LevelRules) -> tuple[LevelRule, LevelSource]:
    if rules.tags:
        tags = set(map(plain_name, article.tags))
        for tag, rule in rules.tags.items():
            if tag in tags:
                return rule, "tag"
    section = plain_name(article.section) if article.section is not None else None
    if section is not None and section in rules.sections:
        return rules.sections[section], "section"
    return rules.default, "publication"


def _plans(rule: LevelRule, level: Level) -> frozenset[str]:
    return rule.plans if level == "subscribers" else frozenset()


def _changes(schedule: Schedule, begins: datetime | None) -> list[tuple[datetime, Level | None]]:
    """When the schedule sets which level, earliest first; None: the one that holds without it."""
    if begins is None:
        return []
    changes: dict[datetime, Level | None] = {}  # of two at one instant the last one here
    if schedule.free_hours is not None:
        changes |= {begins: "free", begins + timedelta(hours=schedule.free_hours): None}
    if schedule.subscribers_after_days is not None:
        changes[begins + timedelta(days=schedule.subscribers_after_days)] = "subscribers"
    if schedule.free_after_days is not None:
        changes[begins + timedelta(days=schedule.free_after_days)] = "free"
    return sorted(changes.items(), key=lambda change: change[0])
