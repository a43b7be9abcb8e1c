"""What an unlock decides on, with the outcome: made from memory first, and decided again where more is seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from service.access.decision import (
    Allow,
    ArticleFacts,
    Evidence,
    Hidden,
    Meter,
    MeterSeen,
    Wall,
    decide,
)
from service.access.evidence import held_by_row
from service.access.gifts import NO_GIFT, GiftSeen
from service.metering.attempt import Recorded
from service.metering.window import MeterState


class Case(NamedTuple):
    """What is decided on, with the outcome: decided again where more is seen on the way."""

    article: ArticleFacts
    evidence: Evidence
    meter: MeterSeen
    now: datetime
    room: Callable[[MeterSeen], int]
    """What registering would bring, by the window."""
    outcome: Allow | Meter | Wall
    gift: GiftSeen = NO_GIFT

    @property
    def has_gift(self) -> bool:
        """Whether a gift link opens the article."""
        grant = self.gift.grant
        return grant is not None and self.outcome.reason == grant.source

    def with_gift(self, gift: GiftSeen) -> "Case":
        """With what gift links give to the device."""
        if gift.grant is None:
            return self if gift is self.gift else self._replace(gift=gift)
        held = (*self.evidence.grants, held_by_row(gift.grant))
        evidence = replace(self.evidence, grants=held)
        # The link was opened after the case had been made.
        now = max(self.now, gift.grant.starts_at)
        outcome = self._replace(now=now).decided_by(evidence, self.meter)
        return self._replace(evidence=evidence, now=now, outcome=outcome, gift=gift)

    @property
    def window(self) -> MeterState | None:
        return self.meter if isinstance(self.meter, MeterState) else None

    def with_network_closed(self) -> "Case":
        evidence = replace(self.evidence, network_closed=True)
        return self._replace(evidence=evidence, outcome=self.decided_by(evidence, self.meter))

    def after(self, recorded: Recorded) -> "Case":
        """With the window as it is after the article was to be counted in it."""
        window = recorded.state._replace(by=self.window.by if self.window is not None else None)
        if recorded.closed:
            return self.with_network_closed()
        # An article that wasn't counted met a full window, whatever has become of that since.
        has_read = window.has_read(self.article.id)
        room = window if has_read else window._replace(limit=window.used)
        evidence = replace(self.evidence, room_after_registering=self.room(window))
        outcome = self.decided_by(evidence, room)
        return self._replace(evidence=evidence, meter=window, outcome=outcome)

    def decided_by(self, evidence: Evidence, meter: MeterSeen) -> Allow | Meter | Wall:
        """The outcome by this evidence and window, at the case's instant."""
        outcome = decide(self.article, evidence, meter, self.now)
        return self.outcome if isinstance(outcome, Hidden) else outcome


def consumes(outcome: Allow | Meter | Wall) -> bool:
    return isinstance(outcome, Meter) and outcome.consumes


def opens(outcome: Allow | Meter | Wall) -> bool:
    """Whether it opens the article and counts nothing."""
    return not isinstance(outcome, Wall) and not consumes(outcome)
