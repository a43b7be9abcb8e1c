"""Seats over HTTP, as their owner and those who take them see them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.billing.seats import Shared, seat_address
from service.bodies import Body, ListOut
from service.db.tables import Grant, Seat
from service.grants.grants import GrantFacts
from service.settings import Settings
from service.texts import storable

SeatState = Literal["invited", "joined", "closed", "removed"]
"""`closed`: it was taken, and there are fewer seats now."""


class InviteIn(Body):
    """Whom a seat is for."""

    email: Annotated[str, AfterValidator(storable), Field(min_length=3, max_length=254)] | None = (
        None
    )
    """The invitation is mailed there; absent: the owner hands the seat's `url` over."""


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

    @classmethod
    def of(cls, seat: Seat, grant: Grant | None, settings: Settings, now: datetime) -> Self:
        return cls(
            id=seat.id, state=state_of(seat, grant, now), email=seat.email,
            url=seat_address(seat.id, settings) if seat.reader_id is None else None,
            created_at=seat.created_at, joined_at=seat.joined_at, asked_at=seat.asked_at,
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
    """`seats` is how many the subscription has, the owner's included; `room` how many are left to give."""

    seats: int
    room: int


class SeatTaken(BaseModel):
    """The caller reads by a seat, until then as far as is known now."""

    plan: str
    until: AwareDatetime | None


def shared_numbers(shared: Shared | None) -> tuple[int, int]:
    """Seats, and how many are left to give."""
    return (shared.subscription.seats, shared.room) if shared is not None else (0, 0)
