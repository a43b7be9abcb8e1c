"""Erasing the reader's account: told first, then done, then said."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from service.account.erase import erase_themselves
from service.db.context import AppContext
from service.db.session import ReadSession
from service.html.redirect import see_other
from service.identity.callers import RecentReader
from service.identity.declarations import PUBLIC
from service.identity.sessions import begin_anew
from service.jobs.runner import AppWakes
from service.payments.reach import AppPayments
from service.problems import Problem
from service.web.account import erasure_view
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import HOME

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)


@router.api_route("/erase", methods=GET)
async def show_erase(request: Request, caller: RecentReader, session: ReadSession) -> Response:
    """What erasing removes and what it keeps, before anything is done."""
    return page(
        request, "erase.html", erasure=await erasure_view(session, caller.reader_id), error=""
    )


@router.post("/erase")
async def erase(
    request: Request,
    caller: RecentReader,
    context: AppContext,
    payments: AppPayments,
    wakes: AppWakes,
    cancel_subscription: Annotated[bool, Form()] = False,
) -> Response:
    """Erase the account, and cancel at Stripe where that is ticked."""
    try:
        await erase_themselves(
            context, payments, wakes, caller, cancel_subscription=cancel_subscription
        )
    except Problem as problem:
        if problem.slug != "subscription-runs":
            raise
        async with context.database.reading() as session:
            erasure = await erasure_view(session, caller.reader_id)
        status = problem.type.status
        error = "You still have an active subscription. Tick the box to cancel it, or keep your account."
        return page(request, "erase.html", status_code=status, erasure=erasure, error=error)
    response = see_other(f"{HOME}/erased")
    begin_anew(response, context.settings)
    return response


@router.api_route("/erased", methods=GET, dependencies=[PUBLIC])
async def show_erased(request: Request) -> Response:
    return page(
        request,
        "message.html",
        title="Your account has been deleted",
        text="We have deleted your data, and you are signed out. Thank you for reading with us.",
        link="/",
        link_text="Go to the front page",
    )
