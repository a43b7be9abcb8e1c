"""One live subscription a reader: which of several is kept (billing.md, Fulfilment): pure.

Two tabs, two devices or a purchase before signing in can pay twice. The kept one goes on, has the best
status, and began first, in this order: what is paid for yields neither to a trial nor to what is
cancelled already. The others are cancelled at Stripe, and refunded where the reader bought them last. What
stops a subscription's access puts it behind the others, and one that is on its way out for that counts
no more.

What the account's reader bought there never yields to what joined with a purchase made before signing in:
of two that open articles the joined one goes, and is refunded. Where the reader's own opens nothing, or
ends anyway, both stay.

What `paywall import stripe` brought in never goes: that somebody pays twice there was so before us, and
is the newsroom's to settle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_BEST = {"active": 0, "trialing": 1, "past_due": 2}
_REST = 3
_GOING = frozenset({"dispute_lost", "trial_used"})


class Candidate(Protocol):
    """A live subscription as stored."""

    id: str
    status: str
    started_at: datetime
    cancel_at: datetime | None
    access_stop: str
    joined_at: datetime | None
    imported_at: datetime | None


@dataclass(frozen=True)
class Duplicate:
    """Beside `kept_id` there is no room for this one, since `since`.

    `is_refunded`: it was bought after the other, or joined the account.
    """

    kept_id: str
    since: datetime
    is_refunded: bool


def kept_of(live: Iterable[Candidate]) -> Candidate | None:
    """The one of a reader's live subscriptions that stays."""
    counting = (each for each in live if each.access_stop not in _GOING)
    return min(counting, key=_rank, default=None)


def duplicate_of(one: Candidate, live: Iterable[Candidate]) -> Duplicate | None:
    """Whether this one of the reader's live subscriptions goes because another is kept."""
    kept = kept_of(live)
    if kept is None or kept.id == one.id or one.access_stop in _GOING:
        return None
    if one.imported_at is not None:
        return None
    has_joined = one.joined_at is not None
    if kept.joined_at is not None and not has_joined:
        return None
    newer = (one.started_at, one.id) > (kept.started_at, kept.id)
    return Duplicate(kept.id, max(one.started_at, kept.started_at), newer or has_joined)


def _rank(one: Candidate) -> tuple[bool, bool, bool, bool, int, datetime, str]:
    is_stopped = one.access_stop not in {"", "duplicate"}
    is_ending = one.cancel_at is not None
    opens = one.status in _BEST
    best = _BEST.get(one.status, _REST)
    return is_stopped, is_ending, not opens, one.joined_at is not None, best, one.started_at, one.id
