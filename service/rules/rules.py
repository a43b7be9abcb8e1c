"""What the publication sets for all its articles: levels with their plans and schedules, meters, and prompts. Pure.

An article's own words go first (content/level.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from service.levels import Level
from service.rules.crawlers import EVERYBODYS_PREVIEW, CrawlerRules
from service.rules.meters import Meters
from service.rules.prompts import Occasion, Prompt


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
    """Of several tags with a level, the one that `tags` names first sets it. Names are as `plain_name` makes them."""

    default: LevelRule
    sections: Mapping[str, LevelRule] = field(default_factory=dict)
    tags: Mapping[str, LevelRule] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """All rules as they are at one time. Of several prompts that fit, the first is shown."""

    levels: LevelRules
    meters: Meters
    prompts: tuple[Prompt, ...] = ()
    crawlers: CrawlerRules = EVERYBODYS_PREVIEW

    @cached_property
    def speaks_beside(self) -> bool:
        """Whether anything is said beside open articles."""
        return any(each.place != "wall" and not each.is_draft for each in self.prompts)

    @cached_property
    def know_gifts(self) -> bool:
        """Whether it matters to any prompt that a reader came by a gift."""
        return any("gift" in each.audiences for each in self.prompts)

    def prompts_for(self, occasion: Occasion, now: datetime) -> tuple[Prompt, ...]:
        """What fits, in order: the first is shown, beside an article the first that is due."""
        return tuple(each for each in self.prompts if each.fits(occasion, now))
