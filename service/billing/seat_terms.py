"""How many seats a subscription has, who may take one, and who of those that joined reads by it: pure.

A subscription of N seats has one for its owner and N - 1 for others. Where more have joined than there are, as after
the number was lowered, those who joined last read no longer; they do again when there is room. A seat follows its
money (docs/decisions/fewer-seats.md): one that is billed stays to the end of its period.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from service.payments.gateway import StripeInvoice, StripeInvoiceLine, StripeSubscriptionItem

TakingReason = Literal[
    "may_take", "has_it", "removed", "is_over", "is_taken", "is_owner", "has_another", "is_full"
]
REFUSAL_WORDS: Mapping[TakingReason, str] = {
    "removed": "This seat was removed. Ask the owner of the subscription for another one.",
    "is_over": "The subscription of this seat has ended. See our offers to read on.",
    "is_taken": "Another reader has taken this seat. Ask the owner of the subscription for another one.",
    "is_owner": "You read by your own subscription. Give this seat to another reader.",
    "has_another": "You already have a seat of this subscription. Give this one to another reader.",
    "is_full": "All seats of this subscription are taken. Ask its owner to remove a reader first.",
}
"""Why a reader can't take a seat, and what to do."""
_BILLING = frozenset({"draft", "open", "paid"})
"""The states of invoices that count: a renewal's is a draft for an hour, and open while its payment is tried."""


@dataclass(frozen=True)
class NumberOfSeats:
    """The seats of a subscription; `later` of them are left from `later_at` on, None: no fewer are foreseen."""

    now: int
    later: int | None = None
    later_at: datetime | None = None


class Seated(Protocol):
    """A subscription as it is stored."""

    @property
    def seats(self) -> int: ...
    @property
    def next_seats(self) -> int | None: ...
    @property
    def next_seats_at(self) -> datetime | None: ...


def number_of_seats(
    item: StripeSubscriptionItem,
    invoices: Sequence[StripeInvoice],
    pending: Iterable[StripeInvoiceLine],
    now: datetime,
) -> NumberOfSeats:
    """The quantity, or more for as long as more is billed and nothing of it was given back.

    `invoices` come with the newest first. `pending` is what the next invoice bills for changes within this period: once Stripe gives something back there, it
    bills the rest anew. A trial is billed with nothing. Whether an open invoice is paid in time is the subscription's
    access.
    """
    # The newest first, as Stripe lists them: of one second, too.
    listed = [each for each in reversed(invoices) if each.status in _BILLING]
    billed = sorted(listed, key=lambda each: each.created_at)
    lines = [*(line for each in billed for line in each.lines), *pending]
    since = max(now, item.period_start)
    ours = [
        line
        for line in lines
        if line.price_id == item.price.id
        and (line.amount > 0 or not line.is_proration)
        and line.ends_at > since
    ]
    if ours:
        # Of several that begin at once the one that was billed last.
        last = max(reversed(ours), key=lambda line: line.starts_at)
        if last.quantity > item.quantity:
            return NumberOfSeats(last.quantity, item.quantity, last.ends_at)
    return NumberOfSeats(item.quantity)


def seats_at(one: Seated, now: datetime) -> NumberOfSeats:
    """How many it has by what is stored, which may be a little late."""
    if one.next_seats is None or one.next_seats_at is None:
        return NumberOfSeats(one.seats)
    if one.next_seats_at <= now:
        return NumberOfSeats(one.next_seats)
    return NumberOfSeats(one.seats, one.next_seats, one.next_seats_at)


@dataclass(frozen=True)
class SeatFacts:
    """A seat with its subscription. `joined` are the readers of all its seats that weren't removed."""

    is_removed: bool
    holder: str | None
    owner: str
    is_running: bool
    seats: int
    joined: Sequence[str]


def may_take(seat: SeatFacts, reader_id: str | None) -> TakingReason:
    """Whether the reader may take the seat; None: somebody who isn't signed in."""
    if seat.is_removed:
        return "removed"
    if not seat.is_running:
        return "is_over"
    if seat.holder is not None:
        return "has_it" if seat.holder == reader_id else "is_taken"
    if reader_id == seat.owner:
        return "is_owner"
    if reader_id in seat.joined:
        return "has_another"
    return "may_take" if len(seat.joined) < others_of(seat.seats) else "is_full"


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
