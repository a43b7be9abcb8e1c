"""Seats: invited and removed by their owner, taken by those who were invited."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.billing.seats import ask_for_more, end_seat, invite, take_seat
from service.checkout.limits import LimitedGateway
from service.checkout.seat_number import set_next_number
from service.checkout.seat_schemas import InviteIn, NextNumberIn, SeatList, SeatOut, SeatTaken
from service.checkout.seats import seat_id_of, seats_of
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.db.tables import Subscription
from service.grants.link_tokens import LONGEST
from service.grants.store import find_grant
from service.html.list_query import AnyPage
from service.identity.callers import ConfirmedReader, RecentReader, SignedInReader
from service.jobs.runner import AppWakes
from service.outbox.queue import MAIL_TASK

router = APIRouter(prefix="/v1", tags=["seats"])
SeatId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
Token = Annotated[str, Path(max_length=LONGEST)]


@router.get("/me/seats", summary="List the seats of your subscription")
async def read_seats(
    caller: SignedInReader, asked: AnyPage, session: ReadSession, context: AppContext
) -> SeatList:
    """Those who were invited or have joined, the newest first."""
    now = context.clocks.business()
    owned = await seats_of(session, caller.reader_id, asked, now)
    return SeatList.of_owner(owned, context.settings, now)


@router.put("/me/seats", status_code=204, summary="Have fewer seats from the next period on")
async def set_number(
    body: NextNumberIn,
    caller: RecentReader,
    context: AppContext,
    gateway: LimitedGateway,
    wakes: AppWakes,
) -> None:
    """Those of this period, or of a trial, stay to its end: readers who lose theirs then are mailed now. The present
    number takes it back. 409 `no-seats` for more than there are: Stripe's portal sells those.
    """
    await set_next_number(context, gateway, reader_id=caller.reader_id, seats=body.seats)
    wakes.wake(MAIL_TASK)


@router.post("/me/seats", status_code=201, summary="Invite a reader to a seat")
async def make_seat(
    body: InviteIn,
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
) -> SeatOut:
    """Mail an invitation, or get its link. 409 `no-seats` where all are taken."""
    seat = await invite(session, context, caller.reader_id, email=body.email)
    wakes.wake(MAIL_TASK)
    return SeatOut.of(seat, None, None, context.settings, context.clocks.business())


@router.delete(
    "/me/seats/{seat_id}", status_code=204, summary="Remove a reader from a seat, or leave it"
)
async def remove_seat(
    seat_id: SeatId,
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
) -> None:
    """For its owner, who takes an invitation back so too, and for who has taken it. Repeating it changes nothing."""
    await end_seat(session, context, seat_id, reader_id=caller.reader_id)
    wakes.wake(MAIL_TASK)


@router.post("/me/seats/{seat_id}/ask", status_code=204, summary="Ask for more seats")
async def ask_for_seat(
    seat_id: SeatId,
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
) -> None:
    """For a reader who has taken a seat and for whom none is left; its owner is mailed, once a day."""
    await ask_for_more(session, context, seat_id, reader_id=caller.reader_id)
    wakes.wake(MAIL_TASK)


@router.post("/seats/{invitation}/take", summary="Take a seat")
async def take(
    invitation: Token, caller: ConfirmedReader, session: WriteSession, context: AppContext
) -> SeatTaken:
    """For the caller, who has confirmed an address. `invitation` is the last part of the seat's `url`.

    409 `seat-closed` where it was removed, or somebody else has taken it.
    """
    seat_id = seat_id_of(invitation, context.settings)
    seat = await take_seat(session, context, seat_id, reader_id=caller.reader_id)
    grant = await find_grant(session, "seat", seat.id)
    owner = await session.get_one(Subscription, seat.subscription_id)
    return SeatTaken(plan=owner.plan, until=grant.ends_at if grant is not None else None)
