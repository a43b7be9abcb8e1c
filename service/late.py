"""Routes that are made when the first request for them comes, in a thread, while others are answered.

Most of what the service can do is never asked of most processes, and none of it is needed to answer a reader's
first request.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.collecting import kept_for_good

_T = TypeVar("_T")
_SWITCH_SECONDS = 0.0005
"""Of the thread that makes something, before another one is let in; the interpreter's own five milliseconds add up."""
_one_at_a_time = Lock()


@dataclass(frozen=True)
class LatePart:
    """Routes; `make` imports and checks them, and may take a second.

    Their paths are below one of `below`, which end in a slash (`/admin/` has `/admin`, too), and not below one
    of `but_not_below`.
    """

    below: tuple[str, ...]
    make: Callable[[], Sequence[BaseRoute]]
    but_not_below: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        """Whether a request for this path needs it."""
        whole = f"{path}/"
        return whole.startswith(self.below) and not whole.startswith(self.but_not_below)


class LateRoutes:
    """What stands before the router: a request for routes that aren't there yet waits until they are."""

    def __init__(self, app: ASGIApp, router: APIRouter, parts: Sequence[LatePart]) -> None:
        self._app, self._router = app, router
        self._missing = list(parts)
        self._being_made: dict[LatePart, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._missing and scope["type"] == "http":
            for part in [*self._missing]:
                if part.has(scope["path"]):
                    await self._await(part)
        await self._app(scope, receive, send)

    async def _await(self, part: LatePart) -> None:
        """The first who asks has it made; a caller who goes away takes nothing from the others."""
        if part not in self._being_made:
            self._being_made[part] = asyncio.create_task(self._make(part))
        await asyncio.shield(self._being_made[part])

    async def _make(self, part: LatePart) -> None:
        """If it fails, its callers are answered so, and the next one has it tried again."""
        try:
            routes = await made_late(part.make)
            self._router.routes.extend(routes)
            self._missing.remove(part)
        finally:
            del self._being_made[part]


async def made_late(make: Callable[[], _T]) -> _T:
    """What `make` imports and makes for good, in a thread, while others are answered; one at a time."""
    return await asyncio.to_thread(_made, make)


def _made(make: Callable[[], _T]) -> _T:
    with _one_at_a_time, _giving_way():
        return make()


@contextmanager
def _giving_way() -> Iterator[None]:
    """Let the thread that makes something hold up the others for a few milliseconds at most."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        with kept_for_good():
            yield
    finally:
        sys.setswitchinterval(interval)
