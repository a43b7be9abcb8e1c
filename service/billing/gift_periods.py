"""What state a gift subscription is in, and when it opens: pure, time is a parameter.

A redeemed gift runs by itself. While its reader has a subscription of their own the rest of it waits behind what
that has paid for, so that no day is lost; several gifts run one after the other. Refunds and disputes end a gift as
they end a pass (pass_terms.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

GiftSubscriptionState = Literal[
    "unpaid", "unredeemed", "running", "waiting", "over", "revoked", "refunded"
]


@dataclass(frozen=True)
class GiftFacts:
    """One gift. `stopped_at` is when a refund or a dispute ended it; all are business times."""

    paid_at: datetime | None = None
    revoked_at: datetime | None = None
    stopped_at: datetime | None = None
    redeemed_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def state(self, at: datetime) -> GiftSubscriptionState:
        """What it is at this instant. `waiting`: it goes on when the reader's own subscription is over."""
        if self.paid_at is None:
            return "unpaid"
        if self.stopped_at is not None:
            return "refunded"
        if self.revoked_at is not None:
            return "revoked"
        if self.starts_at is None or self.ends_at is None:
            return "unredeemed"
        if self.ends_at <= at:
            return "over"
        return "running" if self.starts_at <= at else "waiting"


@dataclass(frozen=True)
class Redeemed:
    """A gift that its reader has redeemed: what is left of it lies between its ends."""

    id: str
    starts_at: datetime
    ends_at: datetime


def placed(
    redeemed: Iterable[Redeemed], subscribed_until: datetime | None, now: datetime
) -> Mapping[str, Redeemed]:
    """Where the rest of each gift lies, by its id; they come in the order in which they were redeemed.

    `subscribed_until` is the end of what the reader's own subscription gives by what is known now; None:
    they have none.
    """
    found: dict[str, Redeemed] = {}
    free_from = max(now, subscribed_until or now)
    for each in redeemed:
        if each.ends_at <= now:
            found[each.id] = each
            continue
        if each.starts_at <= now and free_from == now:
            found[each.id] = each
        else:
            left = each.ends_at - max(each.starts_at, now)
            found[each.id] = Redeemed(each.id, free_from, free_from + left)
        free_from = found[each.id].ends_at
    return found
