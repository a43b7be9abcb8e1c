"""Who looks at a page of the back office, and what each page asks of them.

What comes before signing in is `PUBLIC`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Request
from starlette.datastructures import FormData

from service.html.csrf import check_csrf, csrf_token
from service.identity.callers import Actor, CurrentActor
from service.identity.cookies import read_cookie
from service.identity.declarations import declares
from service.identity.permissions import Permission
from service.identity.secrets import derived_key
from service.problems import Problem
from service.settings import AppSettings, Settings

Seen = Annotated[str, Form(max_length=8_000)]
"""What the form's hidden field says was seen of the thing that it changes (identity/meanwhile.py). It must say so."""

OWN_FIELDS = frozenset({"csrf", "seen", "version", "sure", "key", "change", "code"})
"""Fields that a form has for itself."""
_PASSWORDS = frozenset({"present", "again"})
"""Fields with passwords whose names don't say so."""


class SignInNeeded(Exception):
    """Nobody is signed in: the answer is the way to the sign-in page."""


@dataclass(frozen=True)
class Visit:
    """A signed-in operator, and the value of the CSRF field in the forms of the page."""

    operator: Actor
    csrf: str
    secret: str
    """The session's own, by which it is told from the operator's others."""


def page_requires(permission: Permission) -> Callable[..., Awaitable[Visit]]:
    """A dependency: an operator must be signed in and have this permission.

    An API key opens no page, though it may hold the permission.
    """

    @declares(permission)
    async def permitted(request: Request, actor: CurrentActor, settings: AppSettings) -> Visit:
        secret = read_cookie(request, "operator", settings)
        if actor is None or actor.kind != "operator" or not secret:
            raise SignInNeeded
        visit = Visit(actor, csrf_token(secret, csrf_key(settings)), secret)
        request.state.visit = visit  # a page about an error has the header of every other page
        if permission not in actor.permissions:
            raise Problem(
                "forbidden",
                f"Your role doesn't include {permission}. Ask an administrator for it.",
            )
        return visit

    return permitted


def form_requires(permission: Permission) -> Callable[..., Awaitable[Visit]]:
    """A dependency for what a form sends: as `page_requires`, and the form must be the session's."""
    visited = page_requires(permission)

    @declares(permission)
    async def permitted(
        request: Request,
        visit: Annotated[Visit, Depends(visited)],
        settings: AppSettings,
        csrf: Annotated[str, Form()] = "",
    ) -> Visit:
        # The page about an error shows what was typed.
        request.state.sent = typed_in(await request.form())
        check_csrf(csrf, visit.secret, csrf_key(settings))
        return visit

    return permitted


def typed_in(form: FormData) -> tuple[tuple[str, str], ...]:
    """What somebody has typed into a form, by the names of its fields, without what nobody should read again."""
    return tuple(
        (name, value)
        for name, value in form.multi_items()
        if isinstance(value, str)
        and value.strip()
        and name not in OWN_FIELDS
        and not is_secret(name)
    )


def is_secret(name: str) -> bool:
    """Whether a field of this name holds what nobody should read again."""
    return "password" in name or name in _PASSWORDS


def sent_in(request: Request) -> tuple[tuple[str, str], ...]:
    """What was typed into the form that this request has sent, if its form was read."""
    return getattr(request.state, "sent", ())


def visit_of(request: Request) -> Visit | None:
    """The visit that `page_requires` found for this request, if it got so far."""
    found = getattr(request.state, "visit", None)
    return found if isinstance(found, Visit) else None


def csrf_key(settings: Settings) -> bytes:
    """The key of the CSRF fields: 32 bytes."""
    return derived_key(settings, "csrf")
