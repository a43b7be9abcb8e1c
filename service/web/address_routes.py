"""Another address for the account: asked for here, confirmed by a link to each of the two."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from service.account.address import confirm_change, request_change
from service.billing.inbox import INBOX_TASK
from service.checkout.schemas import Short
from service.db.context import AppContext
from service.identity.callers import RecentReader
from service.identity.declarations import PUBLIC
from service.jobs.runner import AppWakes
from service.outbox.queue import MAIL_TASK
from service.problems import Problem
from service.texts import storable
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import HOME

router = APIRouter(prefix="/account/address", route_class=PageRoute, include_in_schema=False)
LINK_PAGE = {"Referrer-Policy": "strict-origin"}
"""As of the links that sign in: never the address with its secret."""


@router.post("")
async def ask_for_address(
    request: Request,
    caller: RecentReader,
    context: AppContext,
    wakes: AppWakes,
    email: Annotated[str, AfterValidator(storable), Form(max_length=2000)] = "",
) -> Response:
    """Mail both addresses, or say why not."""
    try:
        await request_change(context, email=email, reader_id=caller.reader_id)
    except Problem as problem:
        return _message(
            request, "Your e-mail address hasn’t changed", problem.detail, problem.type.status
        )
    wakes.wake(MAIL_TASK)
    return _message(
        request, "Check both mailboxes",
        "We have e-mailed links to your current and your new address. Your address changes when you have opened both"
        " are used, within a day. Can’t you read mail at the old address any more? Write to us.",
    )  # fmt: skip


@router.api_route("", methods=GET, dependencies=[PUBLIC])
async def show_confirm(request: Request, token: str = "") -> Response:
    """The link's button: opening it changes nothing, since mail scanners open links too."""
    response = page(request, "address.html", token=token)
    response.headers.update(LINK_PAGE)
    return response


@router.post("/confirm", dependencies=[PUBLIC])
async def confirm(
    request: Request, context: AppContext, wakes: AppWakes, token: Annotated[Short, Form()]
) -> Response:
    """Use the link, and say what is left to do."""
    try:
        state = await confirm_change(context, token)
    except Problem as problem:
        if problem.slug == "sign-in-refused":
            text = "The link has been used, or is older than a day. Request the change again."
            return _message(request, "This link has expired", text, 410)
        return _message(
            request, "Your e-mail address hasn’t changed", problem.detail, problem.type.status
        )
    if state == "waiting":
        text = "Now open the link in the e-mail to the other address too."
        return _message(request, "Confirmed", text)
    wakes.wake(INBOX_TASK)
    return _message(
        request, "Your e-mail address has been changed", "Use it to sign in from now on."
    )


def _message(request: Request, title: str, text: str, status_code: int = 200) -> Response:
    response = page(
        request, "message.html", status_code=status_code, title=title, text=text, link=HOME,
        link_text="Your account",
    )  # fmt: skip
    response.headers.update(LINK_PAGE)
    return response
