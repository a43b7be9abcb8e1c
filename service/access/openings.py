"""Whether it is certain what gift links and institutions' networks open (grants/trust.py).

They are looked up in memory, since most reads have nothing to do with them. Where the memory isn't fresh the database
is asked before a wall is shown or a read is counted, once for all who wait.
"""

import asyncio
from math import inf

import structlog

from service.access.gifts import Gifts
from service.db.context import Context
from service.grants.places import InstitutionNetworks
from service.grants.trust import TRUSTED
from service.problems import Problem

_TRUSTED_SECONDS = TRUSTED.total_seconds()
_LONGEST_SECONDS = 1.0
"""A database that doesn't answer opens nothing to anybody meanwhile: walls don't wait for it."""
_PAUSE_SECONDS = 30.0
"""Before all gift links are read again after that failed: each time it begins with the first."""
log = structlog.get_logger()


class Openings:
    """The memory of one application, and since when it is certain."""

    def __init__(self, context: Context, gifts: Gifts, networks: InstitutionNetworks) -> None:
        self._context = context
        self._gifts, self._networks = gifts, networks
        self._known_at = self._failed_at = self._asked_at = -inf
        """Monotonic time: all that was committed before `_known_at` is in memory."""
        self._unread_at = -inf
        self._asking: asyncio.Task[Problem | None] | None = None

    def are_certain(self) -> bool:
        """Whether nothing was opened elsewhere of which somebody has been told."""
        return self._are_certain_at(self._context.clocks.monotonic())

    async def make_certain(self) -> bool:
        """Ask the database, unless that was done just now. If it doesn't answer soon, go on with what is in memory.

        Whether memory has by now all that was answered as opened before the call. What is answered meanwhile needn't be
        there: it is certain to those who come later.
        """
        came_at = self._context.clocks.monotonic()
        for _ in range(2):  # the first may have begun long before this caller came
            if self._are_certain_at(came_at):
                return True
            if self._asking is None:
                return False
            asked_for = self._context.clocks.monotonic() - self._asked_at
            answered, _ = await asyncio.wait(
                {self._asking}, timeout=max(0.0, _LONGEST_SECONDS - asked_for)
            )
            if not answered or answered.pop().result() is not None:
                return False
        return self._are_certain_at(came_at)

    def _are_certain_at(self, instant: float) -> bool:
        """Whether they are to a caller who came then."""
        # Before anybody has to wait for it; of a database that has just failed not at once.
        if instant - max(self._known_at, self._failed_at) > _TRUSTED_SECONDS / 2:
            self._ask()
        return instant - self._known_at < _TRUSTED_SECONDS

    async def refresh(self) -> None:
        """Learn what was opened elsewhere; the background runner calls it every interval.

        Raises the Problem of a database that is away. Where only the articles of all gift links can't be read, the
        database is asked of each until the next time, which comes after a pause.
        """
        problem = await asyncio.shield(self._ask())
        if problem is not None:
            raise problem
        paused = self._context.clocks.monotonic() - self._unread_at
        if self._gifts.are_old() and paused >= _PAUSE_SECONDS:
            try:
                async with self._context.database.reading() as session:
                    await self._gifts.read_all(session)
            except Problem as unread:
                self._unread_at = self._context.clocks.monotonic()
                log.warning("gifts.unread", problem=unread.slug)

    async def close(self) -> None:
        """Ask no more: the database is about to be left."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def _ask(self) -> asyncio.Task[Problem | None]:
        if self._asking is None:
            self._asked_at = self._context.clocks.monotonic()
            self._asking = asyncio.create_task(self._read_anew())
        return self._asking

    async def _read_anew(self) -> Problem | None:
        """As long as it takes: those who wait for it may give up, and what it learns isn't lost by that."""
        try:
            async with self._context.database.reading() as session:
                started = self._context.clocks.monotonic()
                await self._networks.refresh(session, self._context.clocks)
                await self._gifts.refresh(session)
            self._known_at = started
        except Problem as problem:
            log.warning("openings.unknown", problem=problem.slug)
            self._failed_at = self._context.clocks.monotonic()
            return problem
        finally:
            self._asking = None
        return None
