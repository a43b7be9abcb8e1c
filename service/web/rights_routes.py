"""The reader's form "I already have a subscription": for those who have bought elsewhere, such as in print."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from service.access.words import long_day
from service.bodies import OneLine
from service.db.context import AppContext
from service.grants.right_claims import Claim, claim_right
from service.identity.callers import CurrentReader, SignedInReader
from service.identity.declarations import PUBLIC
from service.limits.addresses import client_network
from service.problems import Problem
from service.rules.in_force import AppInForce
from service.web.pages import GET, PageRoute, page
from service.web.sign_in import HOME

router = APIRouter(prefix="/account/elsewhere", route_class=PageRoute, include_in_schema=False)
Typed = Annotated[OneLine, Form(max_length=200)]
_REFUSALS = {"right-not-found", "address-unconfirmed", "too-many-requests"}


@router.api_route("", methods=GET, dependencies=[PUBLIC])
async def show_form(request: Request, caller: CurrentReader, in_force: AppInForce) -> Response:
    """The form, or for a stranger the way to sign in first."""
    if not in_force.settings.rights_by_account:
        raise Problem("not-found")
    return page(
        request,
        "elsewhere.html",
        is_signed_in=caller.verified,
        refusal=None,
        typed=Claim("account", "", ""),
    )


@router.post("")
async def send_claim(
    request: Request,
    caller: SignedInReader,
    context: AppContext,
    in_force: AppInForce,
    number: Typed = "",
    postcode: Typed = "",
    by: Annotated[Literal["account", "name"], Form()] = "account",
) -> Response:
    """Give the reader what matches, or show the form again with why not."""
    network = client_network(request, context.settings, context.clocks)
    claim = Claim(by, number, postcode)
    try:
        found = await claim_right(
            context, claim, in_force.settings, reader_id=caller.reader_id, network=network
        )
    except Problem as problem:
        if problem.slug not in _REFUSALS:
            raise
        response = page(
            request, "elsewhere.html", status_code=problem.type.status, is_signed_in=True,
            refusal=f"{problem.type.title}. {problem.detail}", typed=claim,
        )  # fmt: skip
        response.headers.update(problem.headers)
        return response
    day = long_day(found.until, context.settings.zone) if found.until is not None else None
    if found.state == "provisional":
        text = f"We don’t have your number yet. You have access until {day} while we check it."
    else:
        text = f"You have access until {day}." if day else "You now have access."
    return page(
        request, "message.html", title="Welcome", text=text, link=HOME, link_text="Your account"
    )
