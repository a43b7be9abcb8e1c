"""A reader's sign-in, sessions and profile."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from service.account import sign_out as ending
from service.account.address import confirm_change, request_change
from service.account.confirm import Client, confirm_code, confirm_link
from service.account.erase import erase_themselves
from service.account.export import gather_export
from service.account.profile import profile_of
from service.account.schemas import (
    AddressConfirmIn,
    AddressIn,
    AddressOut,
    ConfirmIn,
    EraseIn,
    GrantItem,
    GrantList,
    Profile,
    RefreshIn,
    SessionItem,
    SessionList,
    SignedInOut,
    SignInIn,
    SignInOut,
)
from service.account.session_token import refreshed_token
from service.account.sign_in import request_sign_in
from service.account.take_over import take_over
from service.billing.inbox import INBOX_TASK
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.grants.access_token import AppAccessTokens
from service.grants.store import live_page
from service.html.list_query import AnyPage
from service.identity.callers import CurrentReader, RecentReader, SignedInReader
from service.identity.cookies import read_cookie
from service.identity.declarations import PUBLIC
from service.identity.handover import hand_over, remember_device
from service.identity.sessions import (
    Kind,
    begin_anew,
    live_sessions,
    sign_out_here,
)
from service.jobs.runner import AppWakes
from service.limits.addresses import client_network
from service.outbox.queue import MAIL_TASK
from service.payments.reach import AppPayments
from service.problems import Problem
from service.texts import storable
from service.tokens.schemas import IssuedToken

router = APIRouter(prefix="/v1", tags=["account"])


@router.post(
    "/sign-in", status_code=202, response_model_exclude_none=True, summary="Ask for a sign-in mail"
)
async def ask_to_sign_in(
    body: SignInIn,
    request: Request,
    response: Response,
    caller: CurrentReader,
    context: AppContext,
    wakes: AppWakes,
) -> SignInOut:
    """Mail a six-digit code and a link, each good once and for ten minutes.

    Without the link where the frontend keeps the session itself. The answer is the same whether or not the address has an account.
    """
    is_foreign = (
        request.headers.get("Sec-Fetch-Site") == "cross-site"
    )  # a listed one: it keeps no cookies
    asked = await request_sign_in(
        context, email=body.email, return_to=body.return_to, caller=caller,
        network=client_network(request, context.settings, context.clocks),
        newsletter=body.newsletter, with_link=body.session == "cookie" and not is_foreign,
    )  # fmt: skip
    wakes.wake(MAIL_TASK)
    token = remember_device(request, response, caller, asked.device_id)
    return SignInOut(request_id=asked.request_id, expires_in=asked.expires_in, device_token=token)


@router.post("/sign-in/confirm", response_model_exclude_none=True, summary="Sign in")
async def confirm(
    body: ConfirmIn,
    request: Request,
    response: Response,
    caller: CurrentReader,
    context: AppContext,
    tokens: AppAccessTokens,
    user_agent: Annotated[str, Header()] = "",
) -> SignedInOut:
    """Use the link's `token`, or `request_id` and `code` in the browser or app that asked.

    The session comes as a cookie, or with `"session": "token"` as `refresh_token`.
    """
    kind: Kind = "app" if body.session == "token" else "browser"
    claim = read_cookie(request, "checkout", context.settings)
    client = Client(caller, kind, user_agent, body.newsletter, claim)
    if body.token is not None:
        confirmed = await confirm_link(context, token=body.token, client=client)
    else:
        confirmed = await confirm_code(
            context, request_id=body.request_id or "", code=body.code or "", client=client,
        )  # fmt: skip
    issued = await tokens.issue_for(confirmed.opened.id)
    if issued is None:
        raise Problem("sign-in-refused")
    token = hand_over(response, issued, confirmed.opened.token, client.kind, context.settings)
    return SignedInOut(**token.model_dump(), return_to=confirmed.return_to)


@router.post(
    "/session/token",
    response_model_exclude_none=True,
    summary="Issue an access token",
    dependencies=[PUBLIC],
)
async def create_token(
    request: Request,
    response: Response,
    context: AppContext,
    tokens: AppAccessTokens,
    body: RefreshIn | None = None,
) -> IssuedToken:
    """An access token for the session, which any edge verifies with our public keys.

    The session's refresh token is exchanged for its successor: the cookie is set anew, an app gets
    `refresh_token`. A call repeated within 30 s gets the same successor. An app sends
    `"scope": "account"` for a token for its account calls, which never goes to an edge.
    """
    given = body.refresh_token if body is not None else None
    token = given or read_cookie(request, "session", context.settings) or ""
    scope = body.scope if body is not None else ""
    issued, successor = await refreshed_token(tokens, token, scope=scope)
    return hand_over(response, issued, successor, "app" if given else "browser", context.settings)


@router.delete("/session", status_code=204, summary="Sign out")
async def sign_out(
    caller: SignedInReader,
    response: Response,
    session: WriteSession,
    context: AppContext,
) -> None:
    """End the session here and in the browser."""
    await ending.sign_out(session, context, caller.reader_id, caller.session_id)
    sign_out_here(response, context.settings)


@router.get("/sessions", summary="List the signed-in devices")
async def list_sessions(
    caller: SignedInReader, session: ReadSession, context: AppContext
) -> SessionList:
    """Where the reader is signed in, the device used last first."""
    now, settings = context.clocks.wall(), context.settings
    found = await live_sessions(session, caller.reader_id, now=now, settings=settings)
    return SessionList(items=[SessionItem.of(row, caller.session_id) for row in found])


@router.delete("/sessions", status_code=204, summary="Sign out everywhere")
async def sign_out_everywhere(
    caller: SignedInReader,
    response: Response,
    session: WriteSession,
    context: AppContext,
) -> None:
    """End every session of the reader, this one included."""
    await ending.sign_out_everywhere(session, context, caller.reader_id)
    sign_out_here(response, context.settings)


@router.delete("/sessions/{session_id}", status_code=204, summary="Sign a device out")
async def sign_device_out(
    session_id: Annotated[str, AfterValidator(storable), Path(max_length=100)],
    caller: SignedInReader,
    response: Response,
    session: WriteSession,
    context: AppContext,
) -> None:
    """End one of the reader's own sessions."""
    if not await ending.sign_out(session, context, caller.reader_id, session_id):
        raise Problem("not-found", "Session not found. GET /v1/sessions lists them.")
    if session_id == caller.session_id:
        sign_out_here(response, context.settings)


@router.get("/me", summary="Read the profile")
async def read_me(caller: SignedInReader, session: ReadSession, context: AppContext) -> Profile:
    """Who is signed in, and what is open to them."""
    return await profile_of(session, context, caller)


@router.get("/me/grants", summary="List what is open to the reader")
async def read_grants(
    caller: SignedInReader, asked: AnyPage, session: ReadSession, context: AppContext
) -> GrantList:
    """Grants that are live now, the newest first; those of single articles come last."""
    now = context.clocks.business()
    found = await live_page(
        session, caller.reader_id, now, cursor=asked.cursor, limit=asked.limit
    )  # fmt: skip
    return GrantList.of(found.map(GrantItem.of))


@router.post("/me/purchases/{purchase_id}", status_code=204, summary="Take a purchase over")
async def take_purchase_over(
    purchase_id: Annotated[str, AfterValidator(storable), Path(max_length=100)],
    caller: SignedInReader,
    context: AppContext,
) -> None:
    """Let a purchase that somebody made with the reader's address be the reader's: one of the
    profile's `purchases`. Where the account's own subscription goes on, the other is cancelled and
    refunded.
    """
    await take_over(context, caller, purchase_id)


@router.post("/me/address", status_code=202, summary="Ask for another address")
async def ask_for_address(
    body: AddressIn, caller: RecentReader, context: AppContext, wakes: AppWakes
) -> AddressOut:
    """Mail a link to the reader's address and one to the new one; both have to be used within a day."""
    await request_change(context, email=body.email, reader_id=caller.reader_id)
    wakes.wake(MAIL_TASK)
    return AddressOut(state="waiting")


@router.post("/me/address/confirm", summary="Confirm another address", dependencies=[PUBLIC])
async def confirm_address(
    body: AddressConfirmIn, context: AppContext, wakes: AppWakes
) -> AddressOut:
    """Use the link of one of the two mails; with the second one the address changes, at Stripe too."""
    state = await confirm_change(context, body.token)
    wakes.wake(INBOX_TASK)
    return AddressOut(state=state)


@router.get(
    "/me/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "The document"}},
    summary="Export everything held on the reader",
)
async def export_me(
    caller: SignedInReader,
    context: AppContext,
    payments: AppPayments,
) -> StreamingResponse:
    """One JSON document to download: what is held here, and what Stripe holds.

    It is complete or it isn't given: while Stripe is away the answer is `stripe-unavailable`.
    """
    export = await gather_export(context, payments.gateway, reader_id=caller.reader_id)
    return StreamingResponse(
        export.chunks(),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="reader-data.json"'},
    )


@router.delete("/me", status_code=204, summary="Erase the account")
async def erase_me(
    response: Response,
    caller: RecentReader,
    context: AppContext,
    payments: AppPayments,
    wakes: AppWakes,
    body: EraseIn | None = None,
) -> None:
    """Erase the reader for good, here and at Stripe, and end every session and token.

    A subscription that runs has to be given up knowingly: `cancel_subscription`. A call that failed
    may be repeated.
    """
    cancels = body is not None and body.cancel_subscription
    await erase_themselves(context, payments, wakes, caller, cancel_subscription=cancels)
    begin_anew(response, context.settings)
