"""Every reason that a decision can have, each once: its place, its words, and what revokes it. Pure.

Answers, pages, the back office and the page's script take the words from here; nothing else spells
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from service.grants.grants import Source
from service.levels import Level

AllowReason = Literal["free", "staff", "registered"] | Source
MeterReason = Literal["meter"]
WallReason = Literal[
    "meter_exhausted", "network_exhausted", "registered_only", "subscribers_only", "meter_not_asked"
]
Reason = AllowReason | MeterReason | WallReason
NETWORK_EXHAUSTED: WallReason = "network_exhausted"


@dataclass(frozen=True)
class ReasonRow:
    """One reason. `readers` is a sentence for the reader; `operators` goes on from "Read …," or
    "Met the wall at …:". `revocable`: what it is based on can be taken away before a token expires.
    """

    name: Reason
    readers: str
    operators: str
    granted: bool
    revocable: bool = False
    by_reader: bool = True
    """Whether a reader reads; else nothing is recorded, and no token is given."""
    level: Level | None = None
    """The level of the articles at which it decides; None: it may be any."""


_ROWS = (
    ReasonRow(
        "free", "This article is free.", "free for everybody", granted=True, level="free"
    ),
    ReasonRow(
        "staff", "You read this article as a member of the staff.", "as a member of the staff",
        granted=True, by_reader=False,
    ),
    ReasonRow(
        "subscription", "Your subscription includes this article.", "with a subscription",
        granted=True, revocable=True,
    ),
    ReasonRow(
        "external", "Your external subscription includes this article.", "with an external entitlement",
        granted=True, revocable=True,
    ),
    ReasonRow(
        "comp", "You have been given access to this article.", "with complimentary access",
        granted=True, revocable=True,
    ),
    ReasonRow(
        "seat", "Your seat in a shared subscription includes this article.", "with a seat",
        granted=True, revocable=True,
    ),
    ReasonRow(
        "institution", "Your institution's subscription includes this article.", "through an institution",
        granted=True, revocable=True,
    ),
    ReasonRow(
        "gift", "You can read this article as a gift.", "as a gift", granted=True, revocable=True
    ),
    ReasonRow(
        "pass", "Your pass includes this article.", "with a pass", granted=True, revocable=True
    ),
    ReasonRow(
        "crawler", "Verified crawlers can read the full article.",
        "as a verified crawler", granted=True, revocable=True, by_reader=False,
    ),
    ReasonRow(
        "registered", "This article is open to registered readers.", "as a registered reader",
        granted=True, level="registered",
    ),
    ReasonRow(
        "meter", "This is one of your free articles.", "within the meter limit", granted=True, level="metered"
    ),
    ReasonRow(
        "meter_exhausted", "You have read your free articles.", "meter limit reached",
        granted=False, level="metered",
    ),
    ReasonRow(
        "network_exhausted", "Many browsers without cookies have read from your network today.",
        "too many readers without cookies on the network", granted=False, level="metered",
    ),
    ReasonRow(
        "registered_only", "This article is for registered readers.",
        "for registered readers only", granted=False, level="registered",
    ),
    ReasonRow(
        "subscribers_only", "This article is for subscribers.", "for subscribers only",
        granted=False, level="subscribers",
    ),
    ReasonRow(
        "meter_not_asked", "This article may be one of your free ones: open it to find out.",
        "tokens don't use the meter", granted=False, level="metered",
    ),
)  # fmt: skip

REASONS: Mapping[str, ReasonRow] = MappingProxyType({row.name: row for row in _ROWS})
"""By name, in the order of precedence: of two grants, the source that is named first is the reason."""

LEVELS: Mapping[str, Level] = MappingProxyType(
    {row.name: row.level for row in _ROWS if row.level is not None}
)
"""By reason, of those that decide at one level alone."""

PRECEDENCE: Mapping[str, int] = MappingProxyType({name: at for at, name in enumerate(REASONS)})


def operators_words(reason: str) -> str:
    """The reason in the back office; itself where a later release recorded one unknown here."""
    row = REASONS.get(reason)
    return row.operators if row is not None else reason
