"""Experiments on the meter's limits or on a prompt's words: who takes part, and who gets which variant. Pure."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from service.rules.prompts import Occasion, Prompt

Subject = Literal["limit", "prompt"]
Goal = Literal["paid", "registered"]
State = Literal["draft", "running", "stopped", "over"]

SUBJECT_WORDS: Mapping[Subject, str] = MappingProxyType(
    {"limit": "The meter's limits", "prompt": "The text of a prompt"}
)
GOAL_WORDS: Mapping[Goal, str] = MappingProxyType(
    {"paid": "Started paying", "registered": "Registered"}
)
STATE_WORDS: Mapping[State, str] = MappingProxyType(
    {"draft": "Draft", "running": "Running", "stopped": "Stopped early", "over": "Completed"}
)
"""What the newsroom calls them."""
ALL_SHARES = 100


@dataclass(frozen=True)
class Limits:
    """Free articles of a window, for a device and for a registered reader."""

    anonymous: int
    registered: int


@dataclass(frozen=True)
class Variant:
    """`share` of a hundred readers get it: other limits, or other words; neither: what everybody else has."""

    name: str
    share: int
    limits: Limits | None = None
    prompt: Prompt | None = None


@dataclass(frozen=True)
class Experiment:
    """One that was started. Its first variant is the control, with which the others are compared.

    `scope` says whom and which place an experiment on words is for; None: it is on limits, and for all. It runs
    from `started_at` up to, but not at, `ends_at`, or until it was stopped.
    """

    slug: str
    variants: tuple[Variant, ...]
    scope: Prompt | None
    started_at: datetime
    ends_at: datetime

    def runs(self, now: datetime) -> bool:
        return self.started_at <= now < self.ends_at

    def variant_of(self, unit: str, secret: bytes) -> Variant | None:
        """The variant of a reader or device, always the same; None: those whom the shares leave out.

        `secret` keeps others from working out, or choosing, what they get.
        """
        place = _place(self.slug, unit, secret)
        for variant in self.variants:
            place -= variant.share
            if place < 0:
                return variant
        return None

    def of_control(self, prompts: Iterable[Prompt], now: datetime) -> list[Prompt]:
        """Those of the rules' prompts that the control is shown from `now` on; none where it is on limits."""
        return [
            each
            for each in prompts
            if self.scope is not None
            and each.meets(self.scope)
            and (each.ends_at is None or now < each.ends_at)
            and (each.starts_at is None or each.starts_at < self.ends_at)
        ]

    def name_of(self, variant: Variant) -> str:
        """What the ledger calls it."""
        return f"{self.slug}/{variant.name}"

    def is_about(self, occasion: Occasion) -> bool:
        """Whether a wall, or an open article, is one that an experiment on words is about."""
        return self.scope is not None and self.scope.fits(occasion, self.started_at)

    def is_beside(self, occasion: Occasion) -> bool:
        """Whether it is about what is said beside an open article, were the reader of another audience."""
        return (
            self.scope is not None
            and self.scope.place != "wall"
            and self.scope.fits_some(occasion, self.started_at)
        )


def _place(slug: str, unit: str, secret: bytes) -> float:
    """Evenly from 0 up to 100, another one in each experiment: so two of them don't depend on each other."""
    digest = hmac.digest(secret, f"{slug}\n{unit}".encode(), "sha256")
    return int.from_bytes(digest[:8]) / 2**64 * ALL_SHARES


def state_of(
    started_at: datetime | None, stopped_at: datetime | None, ends_at: datetime, now: datetime
) -> State:
    if started_at is None:
        return "draft"
    if stopped_at is not None:
        return "stopped"
    return "running" if now < ends_at else "over"
