"""Seats over HTTP, as their owner and those who take them see them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field

from service.billing.seat_terms import NumberOfSeats
from service.billing.seats import end_of_seat, seat_address
from service.bodies import Body, Identifier, ListOut, WholeNumber
from service.checkout.seats import OwnedSeats
from service.db.tables import Grant, Seat, Subscription
from service.grants.grants import GrantFacts
from service.offers.pricing import MOST_SEATS
from service.settings import Settings

SeatState = Literal["invited", "joined", "closed", "removed"]
"""`closed`: it was taken, and there are fewer seats now."""


class InviteIn(Body):
    """Whom a seat is for."""

    email: Annotated[Identifier, Field(min_length=3, max_length=254)] | None = None
    """The invitation is mailed there; absent: the owner hands the seat's `url` over."""


class NextNumberIn(Body):
    """How many seats the subscription has from its next period on."""

    seats: Annotated[WholeNumber, Field(ge=1, le=MOST_SEATS)]


class SeatOut(BaseModel):
    """One seat for its owner. Who has taken it isn't named beyond the address that the owner typed."""

    id: str
    state: SeatState
    email: str | None
    url: str | None
    """What the invited reader opens; null once it is taken."""
    created_at: AwareDatetime
    joined_at: AwareDatetime | None
    asked_at: AwareDatetime | None
    """When its reader asked for more seats, because there is none left for them; null: they haven't, or have one."""

    ends_at: AwareDatetime | None
    """When it opens nothing any more, because the subscription is to have fewer seats; null: that isn't foreseen."""

    @classmethod
    def of(
        cls,
        seat: Seat,
        grant: Grant | None,
        owner: Subscription | None,
        settings: Settings,
        now: datetime,
    ) -> Self:
        """`grant` None: it isn't taken."""
        ends_at = grant.ends_at if grant is not None else None
        return cls(
            id=seat.id, state=state_of(seat, grant, now), email=seat.email,
            url=seat_address(seat.id, settings) if seat.reader_id is None else None,
            created_at=seat.created_at, joined_at=seat.joined_at, asked_at=seat.asked_at,
            ends_at=end_of_seat(ends_at, owner, now) if owner is not None else None,
        )  # fmt: skip


def state_of(seat: Seat, grant: Grant | GrantFacts | None, now: datetime) -> SeatState:
    """`grant` is the seat's; None: it isn't taken."""
    if seat.ended_at is not None:
        return "removed"
    if seat.reader_id is None:
        return "invited"
    is_live = grant is not None and (grant.ends_at is None or grant.ends_at > now)
    return "joined" if is_live else "closed"


class SeatList(ListOut[SeatOut]):
    """`seats` is how many the subscription has, the owner's included; `room` how many are left to give.

    `next_seats` is how many there are from `next_seats_at` on; both null: no fewer are foreseen.
    """

    seats: int
    room: int
    next_seats: int | None
    next_seats_at: AwareDatetime | None

    @classmethod
    def of_owner(cls, owned: OwnedSeats, settings: Settings, now: datetime) -> Self:
        items = [
            SeatOut.of(seat, grant, owner, settings, now) for seat, grant, owner in owned.page.items
        ]
        shared = owned.shared
        number = shared.number if shared is not None else NumberOfSeats(0)
        return cls(
            items=items, next_cursor=owned.page.next_cursor, seats=number.now,
            room=shared.room if shared is not None else 0,
            next_seats=number.later, next_seats_at=number.later_at,
        )  # fmt: skip


class SeatTaken(BaseModel):
    """The caller reads by a seat, until then as far as is known now."""

    plan: str
    until: AwareDatetime | None
