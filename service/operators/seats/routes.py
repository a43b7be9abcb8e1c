"""The page of seats."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.billing.seats import end_seat
from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.seats.lists import AnySeats, list_seats
from service.outbox.queue import MAIL_TASK

router = APIRouter(prefix="/seats", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("")
async def show_seats(
    request: Request,
    _: SeesSubscribers,
    asked: AnySeats,
    session: ReportSession,
    clocks: AppClocks,
) -> Response:
    """The list, the newest first."""
    found = await list_seats(session, asked, clocks.business())
    named = [id_ for each in found.items for id_ in (each.owner_id, each.reader_id) if id_]
    names = await names_of(session, named)
    return page(request, "seats.html", found=found, asked=asked, names=names)


@router.post("/remove")
async def send_remove(
    visit: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
    seat: Annotated[str, Form(max_length=100, pattern=r"^[a-z0-9_]+$")],
) -> Response:
    """Remove a seat."""
    await end_seat(session, context, seat, reader_id=None, actor=visit.operator.label)
    wakes.wake(MAIL_TASK)
    return see_other("/admin/seats")
