"""Seats over the API of the back office."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.billing.seats import end_seat
from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.operators.seats.lists import AnySeats, SeatItems, list_seats
from service.outbox.queue import MAIL_TASK

router = APIRouter(prefix="/seats", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]
SeatId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


@router.get("", summary="List seats")
async def read_seats(
    _: ReadsSubscribers, asked: AnySeats, session: ReportSession, clocks: AppClocks
) -> SeatItems:
    """Who reads by whose subscription, the newest first. Needs the permission subscribers:read."""
    return SeatItems.of(await list_seats(session, asked, clocks.business()))


@router.delete("/{seat_id}", status_code=204, summary="Remove a seat")
async def remove(
    seat_id: SeatId,
    actor: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
) -> None:
    """As its owner could; repeating it changes nothing. Needs the permission subscribers:write."""
    await end_seat(session, context, seat_id, reader_id=None, actor=actor.label)
    wakes.wake(MAIL_TASK)
