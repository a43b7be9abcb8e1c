"""Who of those that a subscription invited reads by it: pure.

A subscription of N seats has one for its owner and N - 1 for others. Where more have joined than there are, as after
the number was lowered, those who joined last read no longer; they do again when there is room.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class JoinedSeat:
    """A seat that somebody has taken."""

    id: str
    joined_at: datetime


def seated(joined: Iterable[JoinedSeat], seats: int) -> frozenset[str]:
    """Ids of the seats that are open; `seats` is the subscription's number, the owner's included."""
    ordered = sorted(joined, key=lambda each: (each.joined_at, each.id))
    return frozenset(each.id for each in ordered[: others_of(seats)])


def others_of(seats: int) -> int:
    """How many others a subscription of this number has room for."""
    return max(0, seats - 1)
