"""What the publication sets for all its articles: levels with their plans and schedules. Pure.

An article's own words go first (content/level.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.levels import Level


@dataclass(frozen=True)
class Schedule:
    """How a level changes by itself, counted from an article's publication; None: it doesn't.

    A day is 24 hours here.
    """

    free_hours: int | None = None
    """Free for everybody at first."""
    subscribers_after_days: int | None = None
    """For subscribers from then on: a paid archive."""
    free_after_days: int | None = None


UNSCHEDULED = Schedule()


@dataclass(frozen=True)
class LevelRule:
    """The level of articles that name none. `plans` open them at level subscribers; none: every plan."""

    level: Level
    plans: frozenset[str] = frozenset()
    schedule: Schedule = UNSCHEDULED


@dataclass(frozen=True)
class LevelRules:
    """Of several tags with a level, the one that `tags` names first sets it."""

    default: LevelRule
    sections: Mapping[str, LevelRule] = field(default_factory=dict)
    tags: Mapping[str, LevelRule] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """All rules as they are at one time."""

    levels: LevelRules
