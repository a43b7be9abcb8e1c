"""Buying: to Stripe's Checkout, back from it, and to the portal."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from service.checkout.complete import LONGEST_SESSION_ID, ReturningBuyer, complete_checkout
from service.checkout.limits import LimitedGateway
from service.checkout.portal import open_portal
from service.checkout.returned import answer_return, head_of_return, remember_claim, tokens_of
from service.checkout.schemas import CheckoutIn, CheckoutOut, CompleteIn, PortalIn, PortalOut
from service.checkout.start import Order, start_checkout
from service.db.context import AppContext
from service.grants.access_token import AppAccessTokens
from service.identity.callers import CurrentReader, RecentReader
from service.identity.cookies import read_cookie
from service.identity.declarations import PUBLIC
from service.identity.sessions import Kind
from service.identity.touches import touch_of
from service.tokens.schemas import IssuedToken

router = APIRouter(prefix="/v1", tags=["selling"])


@router.post("/checkout", status_code=201, summary="Start a checkout")
async def start(
    body: CheckoutIn,
    request: Request,
    response: Response,
    caller: CurrentReader,
    context: AppContext,
    gateway: LimitedGateway,
) -> CheckoutOut:
    """Open a Checkout session at Stripe; the claim comes in the answer and as a cookie.

    409 `already-subscribed` carries `portal`, where the reader manages the subscription: Stripe's
    portal within 15 minutes of signing in, later the account page.
    """
    claim = read_cookie(request, "checkout", context.settings)
    order = Order(
        body.offer, body.return_to, caller, claim, body.promotion_code, body.article,
        touch_of(body.referrer, body.campaign, context.settings), body.newsletter,
        body.seats, body.gift.wanted() if body.gift is not None else None,
        body.despite_access,
    )  # fmt: skip
    started = await start_checkout(context, gateway, order)
    remember_claim(response, started.claim, context.settings)
    return CheckoutOut.model_validate(started, from_attributes=True)


_PAGE: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}


@router.get(
    "/checkout/return",
    response_class=Response,
    responses={
        200: {"description": "A page that says how to go on.", **_PAGE},
        303: {"description": "Back to `return_to`."},
        "default": {"description": "A page that says what went wrong.", **_PAGE},
    },
    summary="Come back from Checkout",
)
async def come_back(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    session_id: Annotated[str, Query(max_length=LONGEST_SESSION_ID)] = "",
) -> Response:
    """Where Stripe sends the buyer's browser: fulfils, signs the claim's holder in, leads back."""
    return await answer_return(request, context, session_id=session_id, caller=caller)


@router.head("/checkout/return", include_in_schema=False, dependencies=[PUBLIC])
async def look_at_return(
    request: Request,
    context: AppContext,
    session_id: Annotated[str, Query(max_length=LONGEST_SESSION_ID)] = "",
) -> Response:
    """For who looks where the address leads: no buyer comes back by it."""
    return await head_of_return(request, context, session_id=session_id)


@router.post(
    "/checkout/{session_id}/complete",
    response_model_exclude_none=True,
    summary="Complete a checkout",
)
async def complete(
    session_id: str,
    body: CompleteIn,
    request: Request,
    response: Response,
    caller: CurrentReader,
    context: AppContext,
    gateway: LimitedGateway,
    tokens: AppAccessTokens,
    user_agent: Annotated[str, Header()] = "",
) -> IssuedToken:
    """The same for a frontend that keeps its page: fulfils and answers an access token.

    The session comes as a cookie, or with `"session": "token"` as `refresh_token`. 409 `checkout-not-paid` carries `url`, where the reader can finish paying.
    """
    claim = body.claim or read_cookie(request, "checkout", context.settings)
    kind: Kind = "app" if body.session == "token" else "browser"
    buyer = ReturningBuyer(caller, claim, user_agent, kind)
    completed = await complete_checkout(context, gateway, session_id, buyer)
    return await tokens_of(response, tokens, completed, buyer)


@router.post("/portal", status_code=201, summary="Open the customer portal")
async def create_portal_session(
    body: PortalIn,
    caller: RecentReader,
    context: AppContext,
    gateway: LimitedGateway,
) -> PortalOut:
    """A session of Stripe's customer portal, which leads back to `return_to`."""
    url = await open_portal(context, gateway, reader_id=caller.reader_id, return_to=body.return_to)
    return PortalOut(url=url)
