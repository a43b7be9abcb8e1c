"""What the publication sets for all its articles: levels with their plans and schedules, and prompts. Pure.

An article's own words go first (content/level.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

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


Audience = Literal["anonymous", "registered", "lapsed", "past_due", "subscribed"]
"""Who meets a wall: without a verified address; with one, and never subscribed; subscribed before; with a
subscription whose payment failed; or with one that doesn't open the article.
"""
WallName = Literal["subscribe", "register"]

AUDIENCE_WORDS: Mapping[Audience, str] = {
    "anonymous": "Not signed in",
    "registered": "Registered, never subscribed",
    "lapsed": "Subscribed before",
    "past_due": "Payment failed",
    "subscribed": "Subscribed to other plans",
}
WALL_WORDS: Mapping[WallName, str] = {
    "register": "Where registering opens it",
    "subscribe": "Where a subscription opens it",
}
"""What the newsroom calls them."""


@dataclass(frozen=True)
class Prompt:
    """What a wall says to some readers in place of the usual words; where a field is empty, to all.

    `offers` are the ids of those that it shows; none of them sold to the reader: the usual ones. It holds
    from `starts_at` up to, but not at, `ends_at`, business time; None is no bound on that side.
    """

    name: str
    title: str
    text: str
    audiences: frozenset[Audience] = frozenset()
    walls: frozenset[WallName] = frozenset()
    sections: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_draft: bool = False

    def fits(self, audience: Audience, wall: WallName, section: str | None, now: datetime) -> bool:
        """Whether it is for this reader at this wall now."""
        return (
            not self.is_draft
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
            and (not self.audiences or audience in self.audiences)
            and (not self.walls or wall in self.walls)
            and (not self.sections or section in self.sections)
        )


@dataclass(frozen=True)
class Rules:
    """All rules as they are at one time. Of several prompts that fit, the first is shown."""

    levels: LevelRules
    prompts: tuple[Prompt, ...] = ()

    def prompt_for(
        self, audience: Audience, wall: WallName, section: str | None, now: datetime
    ) -> Prompt | None:
        """What is shown in place of the usual words; None: these."""
        fitting = (each for each in self.prompts if each.fits(audience, wall, section, now))
        return next(fitting, None)
