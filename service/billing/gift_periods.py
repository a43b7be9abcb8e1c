"""What state a gift subscription is in, and when it opens: pure, time is a parameter.

A redeemed gift runs by itself. While its reader has a subscription of their own to the same plan the rest of it waits
behind what that has paid for, so that no day is lost; several gifts of one plan run one after the other. Refunds and
disputes end a gift as they end a pass (pass_terms.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

GiftSubscriptionState = Literal[
    "unpaid", "unredeemed", "running", "waiting", "over", "revoked", "refunded", "disputed"
]


@dataclass(frozen=True)
class GiftFacts:
    """One gift. `stopped_at` is when a refund or a dispute ended it, `access_stop` which of them; all
    are business times.
    """

    paid_at: datetime | None = None
    revoked_at: datetime | None = None
    stopped_at: datetime | None = None
    redeemed_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    access_stop: str = ""

    def state(self, at: datetime) -> GiftSubscriptionState:
        """What it is at this instant. `waiting`: it goes on when the reader's own subscription is over."""
        if self.paid_at is None:
            return "unpaid"
        if self.stopped_at is not None:
            return "disputed" if self.access_stop == "dispute" else "refunded"
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
    plan: str
    starts_at: datetime
    ends_at: datetime


def placed(
    redeemed: Iterable[Redeemed], subscribed_until: Mapping[str, datetime | None], now: datetime
) -> Mapping[str, Redeemed]:
    """Where the rest of each gift lies, by its id; they come in the order in which they were redeemed.

    `subscribed_until` is by plan the end of what the reader's own subscriptions to it give, by what is known
    now; None: they have none.
    """
    found: dict[str, Redeemed] = {}
    free_from = {plan: max(now, until or now) for plan, until in subscribed_until.items()}
    for each in redeemed:
        free = free_from.get(each.plan, now)
        is_over, is_in_place = each.ends_at <= now, each.starts_at <= now and free == now
        if not is_over and not is_in_place:
            left = each.ends_at - max(each.starts_at, now)
            found[each.id] = replace(each, starts_at=free, ends_at=free + left)
        else:
            found[each.id] = each
        if not is_over:
            free_from[each.plan] = found[each.id].ends_at
    return found
