"""Readers are answered in time though the database has fallen silent: it takes questions, and answers none.

Each statement has a limit of its own, but a request has several, and to give up a connection takes as long again.
"""

import asyncio

import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.db.failures import database_unavailable
from service.db.session import Database
from service.eager import noticed
from service.problems import answer_about

log = structlog.get_logger()

LOOKED_AFTER_SECONDS = 2.0
"""A request that takes longer asks whether the database is there, and again as often."""
_PATIENT = ("/admin", "/v1/admin", "/metrics", "/readyz")
"""Figures may take long, and who watches learns that the database is away from an answer."""


class AnswersInTime:
    """ASGI, before the routes: a reader who waits for a silent database is told to come again, within five seconds.

    A slow statement, a lock, or Stripe, is waited for as long as each may take. The refused request is cancelled, and
    left to itself: a silent server holds up even that.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_patient = scope["type"] != "http" or scope["path"].startswith(_PATIENT)
        if is_patient or not self._database.is_shared:
            await self._app(scope, receive, send)
            return
        has_begun = is_left = False

        async def send_unless_left(message: Message) -> None:
            nonlocal has_begun
            if not is_left:
                has_begun = True
                await send(message)

        async def answer() -> None:
            await self._app(scope, receive, send_unless_left)

        working = asyncio.create_task(answer())
        try:
            while not await _ended(working, None if has_begun else LOOKED_AFTER_SECONDS):
                is_silent = not has_begun and await self._database.is_silent()
                is_left = is_silent and not has_begun and not working.done()
                if is_left:
                    break
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.wait({working})
            raise
        if not is_left:
            working.result()
            return
        self._leave(working)
        log.warning("request.left", path=scope["path"])
        await answer_about(Request(scope), database_unavailable())(scope, receive, send)

    def _leave(self, working: asyncio.Task[None]) -> None:
        working.cancel()
        self._left.add(working)
        working.add_done_callback(self._left.discard)
        working.add_done_callback(noticed)


async def _ended(working: asyncio.Task[None], seconds: float | None) -> bool:
    await asyncio.wait({working}, timeout=seconds)
    return working.done()
