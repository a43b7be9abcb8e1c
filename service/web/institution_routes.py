"""The reader's page for reading by an institution's contract, from its network."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access.words import long_day
from service.db.context import AppContext
from service.db.session import WriteSession
from service.grants.institutions import join_by_network
from service.identity.callers import CurrentReader, SignedInReader
from service.identity.declarations import PUBLIC
from service.limits.addresses import client_address
from service.problems import Problem
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import HOME

router = APIRouter(prefix="/account/institution", route_class=PageRoute, include_in_schema=False)


@router.api_route("", methods=GET, dependencies=[PUBLIC])
async def show_institution(request: Request, caller: CurrentReader) -> Response:
    """The button, or for a stranger the way to sign in first."""
    return page(request, "institution.html", is_signed_in=caller.reader_id is not None)


@router.post("")
async def send_join(
    request: Request, caller: SignedInReader, session: WriteSession, context: AppContext
) -> Response:
    """Join by the network, or say that this is none."""
    address = client_address(request, context.settings)
    try:
        row, until = await join_by_network(
            session, context, reader_id=caller.reader_id, address=address
        )
    except Problem as problem:
        if problem.slug != "not-found":
            raise
        return page(
            request, "message.html", status_code=404, title="Not from this network",
            text=problem.detail, link=HOME, link_text="Your account",
        )  # fmt: skip
    day = long_day(until, context.settings.zone)
    return page(
        request, "message.html", title="Welcome", link=HOME, link_text="Your account",
        text=f"You have access through {row.name} until {day}, from anywhere.",
    )  # fmt: skip
