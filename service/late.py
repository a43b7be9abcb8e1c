"""Routes that are made when the first request for them comes, in a thread, while others are answered.

What only operators ask for is a third of what a start imports, and most processes are never asked for it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.collecting import kept_for_good

_SWITCH_SECONDS = 0.0005
"""Of the thread that makes routes, before another one is let in; the interpreter's own five milliseconds add up."""


@dataclass(frozen=True)
class LatePart:
    """Routes whose paths begin with one of these; `make` imports and checks them, and may take a second."""

    below: tuple[str, ...]
    make: Callable[[], Sequence[BaseRoute]]


class LateRoutes:
    """What stands before the router: a request for routes that aren't there yet waits until they are."""

    def __init__(self, app: ASGIApp, router: APIRouter, parts: Sequence[LatePart]) -> None:
        self._app, self._router = app, router
        self._missing = list(parts)
        self._being_made: dict[LatePart, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._missing and scope["type"] == "http":
            for part in [*self._missing]:
                if scope["path"].startswith(part.below):
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
            async with self._one_at_a_time:
                with _giving_way():
                    routes = await asyncio.to_thread(part.make)
            self._router.routes.extend(routes)
            self._missing.remove(part)
        finally:
            del self._being_made[part]


@contextmanager
def _giving_way() -> Iterator[None]:
    """Let the thread that makes routes hold up the others for a few milliseconds at most."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        with kept_for_good():
            yield
    finally:
        sys.setswitchinterval(interval)
