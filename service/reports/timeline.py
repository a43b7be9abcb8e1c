"""What happened to one reader, in the order of time: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

EventKind = Literal[
    "first_seen",
    "signed_in",
    "read",
    "wall",
    "checkout_started",
    "checkout_expired",
    "purchase",
    "pass_bought",
    "gift_bought",
    "gift_redeemed",
    "access_given",
    "merged",
    "trial_ended",
    "payment_failed",
    "payment_overdue",
    "payment_recovered",
    "trial_paid",
    "renewed",
    "switched",
    "cancel_scheduled",
    "resumed",
    "paused",
    "collection_paused",
    "collection_resumed",
    "disputed",
    "dispute_closed",
    "refunded",
    "cancelled_by_service",
    "subscription_ended",
    "access_ended",
    "mail_waiting",
    "mail_sent",
    "mail_failed",
    "staff",
]
_ORDER = {kind: place for place, kind in enumerate(get_args(EventKind))}
"""What is told first where several things have the same instant."""


@dataclass(frozen=True)
class ArticleMention:
    """An article of the timeline. `slug` and `title` are None where it was deleted since."""

    id: str | None
    slug: str | None
    title: str | None


@dataclass(frozen=True)
class Event:
    """One line. `note`: the reason of a read or a wall, the offer's name, the access's source, the
    amount that was paid, failed or given back, how a dispute was closed, why the service cancelled, the
    device of a sign-in, the kind of a mail, or what the staff did: `actor` did it.
    `method` is how somebody signed in, where that is known.

    `article` is what was read, whose wall was met, or for a purchase whose wall was met last before
    it. `counted`: the read used up one of the meter's free articles.
    """

    at: datetime
    kind: EventKind
    note: str = ""
    article: ArticleMention | None = None
    counted: bool = False
    actor: str = ""
    method: str = ""


def merged(events: Iterable[Event], now: datetime) -> list[Event]:
    """The events up to `now`, newest first; what is only planned is left out."""
    past = [event for event in events if event.at <= now]
    return sorted(past, key=lambda event: (event.at, _ORDER[event.kind]), reverse=True)
