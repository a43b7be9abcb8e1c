"""May this reader read this article now? Plain values in, one of four outcomes with a reason out.

The order is that of the product's access rules: the first that matches decides, and only a metered
article that the meter itself opens consumes.
"""

from dataclasses import dataclass
from typing import Literal

from service.grants.grants import Source
from service.metering.window import MeterState

Level = Literal["free", "metered", "registered", "subscribers"]
AllowReason = Literal["free", "registered"] | Source
WallKind = Literal["register", "subscribe"]
WallReason = Literal["meter_exhausted", "network_exhausted", "registered_only", "subscribers_only"]


@dataclass(frozen=True)
class ArticleFacts:
    """What the decision needs to know of an article, at the instant it is made for."""

    id: str
    visible: bool
    level: Level


@dataclass(frozen=True)
class ReaderFacts:
    """What the decision needs to know of a reader: which live grant covers the article, if any,
    and what registering would change.
    """

    granted_by: Source | None = None
    verified: bool = False
    """Signed in with a verified address."""
    can_register: bool = False
    """Not verified yet, where sign-in is configured."""
    room_after_registering: int = 0
    """Articles that the registered reader's meter would then still open in this window."""


@dataclass(frozen=True)
class Hidden:
    """Not visible: it doesn't exist for anyone who asks here."""


@dataclass(frozen=True)
class Allow:
    """Open, without any effect."""

    reason: AllowReason


@dataclass(frozen=True)
class Meter:
    """The meter opens it; `consumes` unless it is a re-read in the same window."""

    consumes: bool
    reason: Literal["meter"] = "meter"


@dataclass(frozen=True)
class Wall:
    """Closed. `kind` says what would open it: registering where that is enough."""

    reason: WallReason
    kind: WallKind = "subscribe"


Decision = Hidden | Allow | Meter | Wall


def decide(article: ArticleFacts, reader: ReaderFacts, meter: MeterState | None) -> Decision:
    """Decide. `meter` is the holder's window; None means that nothing is metered here."""
    if not article.visible:
        return Hidden()
    if article.level == "free" or (article.level == "metered" and meter is None):
        return Allow("free")
    if reader.granted_by is not None:
        return Allow(reader.granted_by)
    if article.level == "registered":
        if reader.verified:
            return Allow("registered")
        return Wall("registered_only", "register" if reader.can_register else "subscribe")
    if article.level == "subscribers" or meter is None:
        return Wall("subscribers_only")
    if article.id in meter.read_set:
        return Meter(consumes=False)
    if meter.remaining > 0:
        return Meter(consumes=True)
    return meter_wall(reader, "meter_exhausted")


def meter_wall(reader: ReaderFacts, reason: WallReason) -> Wall:
    """The wall where the meter opens nothing more: registering may open a meter of one's own."""
    more = reader.can_register and reader.room_after_registering > 0
    return Wall(reason, "register" if more else "subscribe")
