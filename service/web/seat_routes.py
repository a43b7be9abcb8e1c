"""The reader's pages for seats: the owner's, and that of an invitation."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from service.billing.seats import ask_for_more, end_seat, invite, take_seat
from service.billing.subscriptions import seat_prices_of
from service.checkout.limits import LimitedGateway
from service.checkout.schemas import Short
from service.checkout.seat_number import set_next_number
from service.checkout.seat_schemas import SeatOut, state_of
from service.checkout.seats import invitation_of, seat_id_of, seats_of
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.grants.link_tokens import LONGEST
from service.html.list_query import ListQuery
from service.html.redirect import see_other
from service.identity.callers import ConfirmedReader, CurrentReader, RecentReader, SignedInReader
from service.jobs.runner import AppWakes
from service.offers.portal import listed_prices
from service.offers.pricing import MOST_SEATS
from service.offers.store import offers_for_everybody
from service.outbox.queue import MAIL_TASK
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import visitor_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SEATS = "/account/seats"
Token = Annotated[str, Path(max_length=LONGEST)]


@router.api_route(SEATS, methods=GET)
async def show_seats(
    request: Request,
    caller: SignedInReader,
    asked: Annotated[ListQuery, Query()],
    session: ReadSession,
    context: AppContext,
) -> Response:
    """Who was invited and who has joined, and the form for another one."""
    now = context.clocks.business()
    owned = await seats_of(session, caller.reader_id, asked, now)
    shown = owned.page.map(lambda row: SeatOut.of(*row, context.settings, now))
    prices = await seat_prices_of(session, caller.reader_id)
    sold = await offers_for_everybody(session) if prices else []
    can_change = not prices.isdisjoint(listed_prices(sold, by_seat=True))
    return page(
        request, "seats.html", shared=owned.shared, owns=bool(prices), shown=shown, asked=asked, path=SEATS,
        can_change=can_change,
    )  # fmt: skip


@router.post(SEATS)
async def send_invitation(
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
    email: Annotated[str, Form(max_length=254)] = "",
) -> Response:
    """Invite by mail, or make a link to hand over."""
    await invite(session, context, caller.reader_id, email=email.strip() or None)
    wakes.wake(MAIL_TASK)
    return see_other(SEATS)


@router.post(f"{SEATS}/number")
async def send_number(
    caller: RecentReader,
    context: AppContext,
    gateway: LimitedGateway,
    wakes: AppWakes,
    seats: Annotated[int, Form(ge=1, le=MOST_SEATS)],
) -> Response:
    """Fewer seats from the next period on, or the present number again."""
    await set_next_number(context, gateway, reader_id=caller.reader_id, seats=seats)
    wakes.wake(MAIL_TASK)
    return see_other(SEATS)


@router.post(f"{SEATS}/remove")
async def send_remove(
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
    seat: Annotated[Short, Form()],
) -> Response:
    """Remove a reader, or take an invitation back."""
    await end_seat(session, context, seat, reader_id=caller.reader_id)
    wakes.wake(MAIL_TASK)
    return see_other(SEATS)


@router.post(f"{SEATS}/leave")
async def send_leave(
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    seat: Annotated[Short, Form()],
) -> Response:
    """Give one's own seat back."""
    await end_seat(session, context, seat, reader_id=caller.reader_id)
    return see_other("/account")


@router.post(f"{SEATS}/ask")
async def send_request(
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
    seat: Annotated[Short, Form()],
) -> Response:
    """Ask the owner for more seats."""
    await ask_for_more(session, context, seat, reader_id=caller.reader_id)
    wakes.wake(MAIL_TASK)
    return see_other("/account")


@router.api_route("/seat/{invitation}", methods=GET)
async def show_invitation(
    request: Request,
    invitation: Token,
    caller: CurrentReader,
    session: ReadSession,
    context: AppContext,
) -> Response:
    """What the invitation gives; looking at it takes nothing."""
    visitor = await visitor_of(session, caller, context.settings)
    seen = await invitation_of(session, invitation, caller.reader_id, context)
    return page(
        request, "seat.html", token=invitation, visitor=visitor, seat=seen,
        state=state_of(seen.seat, seen.grant, context.clocks.business()),
        may_take=caller.verified and caller.reader_id is not None,
    )  # fmt: skip


@router.post("/seat/{invitation}")
async def send_take(
    invitation: Token, caller: ConfirmedReader, session: WriteSession, context: AppContext
) -> Response:
    """Take the seat."""
    seat_id = seat_id_of(invitation, context.settings)
    await take_seat(session, context, seat_id, reader_id=caller.reader_id)
    return see_other(f"/seat/{invitation}")
