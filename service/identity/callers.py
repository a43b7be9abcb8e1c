"""Who is calling: aliases that a route's signature uses to say who may call it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends, Header, Request

from service.db.context import AppContext, Context
from service.db.tables import Reader, ReaderSession
from service.identity.cookies import read_cookie
from service.identity.declarations import declares
from service.identity.devices import HEADER, DeviceKey
from service.identity.email import mailbox_of
from service.identity.experiment_consent import takes_part
from service.identity.key_uses import KeyUses
from service.identity.permissions import (
    ALL_PERMISSIONS,
    Permission,
    Public,
    SignedIn,
    permissions_of_role,
    permissions_of_scopes,
)
from service.identity.sessions import (
    Reused,
    end_session,
    find_session,
    has_arrived,
    is_first_use,
    live_session,
    note_arrival,
    note_first_use,
    touch_session,
    was_idle,
)
from service.problems import Problem
from service.running import running_of
from service.tokens.claims import ACCOUNT, AccessClaims, Claims
from service.tokens.signing import bearer_token, invalid_token
from service.tokens.verifier import TokenVerifier

RECENT = timedelta(minutes=15)
"""So long after signing in a reader may erase the account, change its address or open the portal."""


@dataclass(frozen=True)
class Caller:
    """A reader, known or not. Everything may be None: then nobody has been seen before."""

    reader_id: str | None = None
    session_id: str | None = None
    device_id: str | None = None
    holds_cookie: bool = False
    """The device came by cookie, so the answer need not repeat it as `device_token`."""
    verified: bool = False
    """The reader has verified an address: the meter is theirs, registered articles are open."""
    mailbox: str | None = None
    """Whose addresses share a meter (email.py)."""
    domain: str | None = None
    """Of the verified address, as addresses are compared."""
    signed_in_at: datetime | None = None
    """When the session was opened, by wall time."""
    unit: str | None = None
    """By what experiments know the reader; None: nobody is signed in, so by the device."""
    takes_part: bool = False
    """May be in experiments."""
    may_only_read: bool = False
    """Known by an access token for reading, which frontends and edges hold too."""

    def is_recent(self, context: Context) -> bool:
        """Whether they have signed in so lately that nobody else is at their device.

        Where nobody can sign in by mail, nobody could sign in once more.
        """
        if self.signed_in_at is None:
            return False
        lately = context.clocks.wall() - self.signed_in_at <= RECENT
        return lately or not context.settings.readers_can_sign_in


@dataclass(frozen=True)
class LiveSession:
    """A signed-in reader, and by which session."""

    reader_id: str
    session_id: str
    verified: bool


@dataclass(frozen=True)
class EndedTokens:
    """Says of a valid token whether its session or grant has ended since it was signed."""

    refuse: Callable[[Claims], bool]


@dataclass(frozen=True)
class Actor:
    """An operator, an API key, or a command on the server, with what it may do."""

    kind: Literal["operator", "api_key", "command"]
    id: str
    name: str
    permissions: frozenset[Permission]

    @property
    def label(self) -> str:
        """How the audit trail names the actor."""
        return f"{self.kind}:{self.id}" if self.id else self.kind


COMMAND = Actor("command", "", "", ALL_PERMISSIONS)
"""Somebody with a shell on the server, who may do everything."""


@declares(Public())
async def article_reader(request: Request, context: AppContext) -> Caller:
    """The caller of a route that opens articles and does nothing else for the reader.

    By session and device; foreign or expired cookies count as absent.

    A caller who sends `Authorization: Bearer …` means the session of that access token and no cookie's;
    401 `invalid-token` where it isn't valid (any more).
    """
    cookie = read_cookie(request, "device", context.settings)
    device = running_of(request).get(DeviceKey).sent(cookie, request.headers.get(HEADER))
    caller = Caller(
        device_id=device.id,
        holds_cookie=device.by_cookie,
        takes_part=takes_part(request, context.settings),
    )
    token, may_only_read = bearer_token(request), False
    if token is not None:
        claims, found, reader = await _by_token(request, token, context)
        may_only_read = ACCOUNT not in claims.scope.split()
    else:
        found, reader = await _by_cookie(request, context)
    if found is None or reader is None:
        return caller
    if was_idle(found, context.clocks.wall()):
        async with context.database.transaction() as session:
            await touch_session(session, found.id, context.clocks.wall())
    return replace(
        caller,
        reader_id=reader.id,
        session_id=found.id,
        verified=reader.email_verified_at is not None,
        mailbox=mailbox_of(reader.verified_key),
        domain=(reader.verified_key or "").rpartition("@")[2] or None,
        signed_in_at=found.created_at,
        unit=reader.experiment_unit or reader.id,
        may_only_read=may_only_read,
    )


@declares(Public())
async def current_reader(caller: Annotated[Caller, Depends(article_reader)]) -> Caller:
    """The caller, as the session itself or an app's token for account calls.

    403 `insufficient-scope` for an access token for reading: whom it was handed to can open articles
    with it and nothing else.
    """
    if caller.may_only_read:
        challenge = f'Bearer error="insufficient_scope", scope="{ACCOUNT}"'
        raise Problem("insufficient-scope", headers={"WWW-Authenticate": challenge})
    return caller


_Found = tuple[ReaderSession | None, Reader | None]


async def _by_cookie(request: Request, context: Context) -> _Found:
    token = read_cookie(request, "session", context.settings)
    if not token:
        return None, None
    async with context.database.reading() as session:
        signed_in = await find_session(
            session, token, now=context.clocks.wall(), settings=context.settings
        )
    if isinstance(signed_in, Reused):
        async with context.database.transaction() as session:
            await end_session(session, signed_in.session_id, context.clocks.wall(), "reused")
        return None, None
    found, reader = signed_in or (None, None)
    if found is not None and is_first_use(found, token):
        async with context.database.transaction() as session:
            await note_first_use(session, token, found.id)
    return found, reader


async def _by_token(
    request: Request, token: str, context: Context
) -> tuple[AccessClaims, ReaderSession | None, Reader | None]:
    claims = running_of(request).get(TokenVerifier).verify(token, context.clocks.wall())
    if not isinstance(claims, AccessClaims):
        raise invalid_token("An unlock token opens one article. Send an access token.")
    async with context.database.reading() as session:
        signed_in = await live_session(
            session, claims.sid, now=context.clocks.wall(), settings=context.settings
        )
    found, reader = signed_in or (None, None)
    ended = running_of(request).get(EndedTokens)
    if reader is None or reader.id != claims.sub or ended.refuse(claims):
        raise invalid_token(
            "The session or access behind the token has ended since. Fetch a new one."
        )
    if found is not None and has_arrived(found, claims.iat):
        async with context.database.transaction() as session:
            await note_arrival(session, found)
    return claims, found, reader


@declares(SignedIn())
async def signed_in_reader(caller: Annotated[Caller, Depends(current_reader)]) -> LiveSession:
    if caller.reader_id is None or caller.session_id is None:
        raise Problem("unauthenticated", "Sign in first: the session is missing or has ended.")
    return LiveSession(caller.reader_id, caller.session_id, caller.verified)


@declares(SignedIn())
async def confirmed_reader(
    signed_in: Annotated[LiveSession, Depends(signed_in_reader)],
) -> LiveSession:
    """Who has confirmed an address, not only bought without signing in."""
    if not signed_in.verified:
        raise Problem(
            "unauthenticated", "Confirm your address first: sign in by the link in your mail."
        )
    return signed_in


@declares(SignedIn())
async def recent_reader(
    caller: Annotated[Caller, Depends(current_reader)],
    signed_in: Annotated[LiveSession, Depends(signed_in_reader)],
    context: AppContext,
) -> LiveSession:
    """Who has signed in within 15 minutes; else 403 `sign-in-again`."""
    if not caller.is_recent(context):
        raise Problem("sign-in-again")
    return signed_in


async def is_prefetch(sec_purpose: Annotated[str, Header(include_in_schema=False)] = "") -> bool:
    """Whether a browser fetches ahead: nobody has opened the page, so nothing is read."""
    return "prefetch" in sec_purpose


IsPrefetch = Annotated[bool, Depends(is_prefetch)]
ArticleReader = Annotated[Caller, Depends(article_reader)]
CurrentReader = Annotated[Caller, Depends(current_reader)]
SignedInReader = Annotated[LiveSession, Depends(signed_in_reader)]
ConfirmedReader = Annotated[LiveSession, Depends(confirmed_reader)]
RecentReader = Annotated[LiveSession, Depends(recent_reader)]


async def find_actor(request: Request, context: AppContext) -> Actor | None:
    """The operator or API key that calls, or None. A wrong bearer is no one, whatever cookie."""
    if "Authorization" in request.headers:
        text = None
        with suppress(Problem):  # in another form: no one, as with a wrong key
            text = bearer_token(request)
        if text is None:
            return None
        from service.identity.api_keys import find_api_key  # noqa: PLC0415 readers never need it

        async with context.database.reading() as session:
            key = await find_api_key(session, text)
        if key is None:
            return None
        running_of(request).get(KeyUses).note(key, context.clocks.wall())
        return Actor("api_key", key.prefix, key.label, permissions_of_scopes(key.scopes))
    return await _operator_here(request, context)


async def _operator_here(request: Request, context: Context) -> Actor | None:
    """The operator who is signed in in this browser, on our own host."""
    # Listed frontends act for readers; a script injected into one must not act for the staff.
    if request.headers.get("Origin", context.settings.public_url) != context.settings.public_url:
        return None
    secret = read_cookie(request, "operator", context.settings)
    if not secret:
        return None
    from service.identity.operators import operator_of_session  # noqa: PLC0415 readers never need it

    async with context.database.reading() as session:
        operator = await operator_of_session(session, secret, context.clocks.wall())
    if operator is None:
        return None
    return Actor("operator", operator.id, operator.email, permissions_of_role(operator.role))


CurrentActor = Annotated[Actor | None, Depends(find_actor)]


async def is_staff(request: Request, context: AppContext) -> bool:
    """Whether an operator who may read articles, drafts too, is signed in in this browser; asks nothing without the
    cookie. A request with a token is its reader's.
    """
    if "Authorization" in request.headers:
        return False
    operator = await _operator_here(request, context)
    return operator is not None and Permission.ARTICLES_READ in operator.permissions


IsStaff = Annotated[bool, Depends(is_staff)]


def requires(permission: Permission) -> Callable[..., Awaitable[Actor]]:
    """A dependency: the caller must be an operator or API key with this permission."""

    @declares(permission)
    async def permitted(actor: CurrentActor) -> Actor:
        if actor is None:
            raise Problem(
                "unauthenticated",
                "Send an API key as `Authorization: Bearer pwk_…`, or sign in at /admin.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if permission not in actor.permissions:
            raise Problem("forbidden", f"This needs the permission {permission}.")
        return actor

    return permitted
