"""Who is calling: aliases that a route's signature uses to say who may call it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Header, Request

from service.clock import AppClocks
from service.db.session import AppDatabase
from service.identity.api_keys import find_api_key
from service.identity.cookies import read_cookie
from service.identity.devices import HEADER, device_of
from service.identity.operators import operator_of_session
from service.identity.permissions import (
    Permission,
    permissions_of_role,
    permissions_of_scopes,
)
from service.identity.readers import find_reader
from service.identity.secrets import derived_key
from service.identity.sessions import find_session, touch_session, was_idle
from service.problems import Problem
from service.settings import AppSettings, Settings


@dataclass(frozen=True)
class Caller:
    """A reader, known or not. Everything may be None: then nobody has been seen before."""

    reader_id: str | None = None
    session_id: str | None = None
    device_id: str | None = None
    holds_cookie: bool = False
    """The device came by cookie, so the answer need not repeat it as `device_token`."""


@dataclass(frozen=True)
class SignedIn:
    """A reader with a live session."""

    reader_id: str
    session_id: str


@dataclass(frozen=True)
class Actor:
    """An operator or an API key, with what it may do."""

    kind: Literal["operator", "api_key"]
    id: str
    name: str
    permissions: frozenset[str]

    @property
    def label(self) -> str:
        """How the audit trail names the actor."""
        return f"{self.kind}:{self.id}"


def device_key(settings: Settings) -> bytes:
    return derived_key(settings, "device")


async def current_reader(
    request: Request, settings: AppSettings, database: AppDatabase, clocks: AppClocks
) -> Caller:
    """The caller by session cookie and device; foreign or expired ones count as absent."""
    cookie = read_cookie(request, "device", settings)
    by_cookie = device_of(cookie, request.app.state.device_key)
    device = by_cookie or device_of(request.headers.get(HEADER), request.app.state.device_key)
    caller = Caller(device_id=device, holds_cookie=by_cookie is not None)
    secret = read_cookie(request, "session", settings)
    if not secret:
        return caller
    async with database.reading() as session:
        found = await find_session(session, secret, now=clocks.wall(), settings=settings)
        reader = await find_reader(session, found.reader_id) if found else None
    if found is None or reader is None:
        return caller
    if was_idle(found, clocks.wall()):
        async with database.transaction() as session:
            await touch_session(session, found.id, clocks.wall())
    return Caller(
        reader_id=reader.id,
        session_id=found.id,
        device_id=caller.device_id,
        holds_cookie=caller.holds_cookie,
    )


async def signed_in_reader(caller: Annotated[Caller, Depends(current_reader)]) -> SignedIn:
    if caller.reader_id is None or caller.session_id is None:
        raise Problem("unauthenticated", "Sign in first: the session is missing or has ended.")
    return SignedIn(caller.reader_id, caller.session_id)


def is_prefetch(sec_purpose: Annotated[str, Header(include_in_schema=False)] = "") -> bool:
    """Whether a browser fetches ahead: nobody has opened the page, so nothing is read."""
    return "prefetch" in sec_purpose


IsPrefetch = Annotated[bool, Depends(is_prefetch)]
CurrentReader = Annotated[Caller, Depends(current_reader)]
SignedInReader = Annotated[SignedIn, Depends(signed_in_reader)]


async def find_actor(
    request: Request, settings: AppSettings, database: AppDatabase, clocks: AppClocks
) -> Actor | None:
    """The operator or API key that calls, or None. A wrong bearer is no one, whatever cookie."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        async with database.reading() as session:
            key = await find_api_key(session, text.strip())
        if key is None:
            return None
        return Actor("api_key", key.prefix, key.label, permissions_of_scopes(key.scopes))
    secret = read_cookie(request, "operator", settings)
    if not secret:
        return None
    async with database.reading() as session:
        operator = await operator_of_session(session, secret, clocks.wall())
    if operator is None:
        return None
    return Actor("operator", operator.id, operator.email, permissions_of_role(operator.role))


CurrentActor = Annotated[Actor | None, Depends(find_actor)]


def requires(permission: Permission | None) -> Callable[..., Awaitable[Actor]]:
    """A dependency: the caller must be an operator or API key with this permission (None: any)."""

    async def permitted(actor: CurrentActor) -> Actor:
        if actor is None:
            raise Problem(
                "unauthenticated",
                "Send an API key as `Authorization: Bearer pwk_…`, or sign in at /admin.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if permission is not None and permission not in actor.permissions:
            raise Problem("forbidden", f"This needs the permission {permission}.")
        return actor

    permitted.permission = permission  # type: ignore[attr-defined]  # read by app.py: deny by default
    return permitted
