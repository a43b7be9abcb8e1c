"""Whether it is certain what gift links and institutions' networks open (grants/trust.py).

They are looked up in memory, since most reads have nothing to do with them. Where the memory isn't fresh the database
is asked before a wall is shown or a read is counted, once for all who wait.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.gifts import Gifts
from service.db.context import Context
from service.grants.places import InstitutionNetworks
from service.grants.trust import TRUSTED
from service.problems import Problem

_LONGEST_SECONDS = 1.0
"""A database that doesn't answer opens nothing to anybody meanwhile: walls don't wait for it."""
log = structlog.get_logger()


class Openings:
    """The memory of one application, and since when it is certain."""

    def __init__(self, context: Context, gifts: Gifts, networks: InstitutionNetworks) -> None:
        self._context = context
        self._gifts, self._networks = gifts, networks
        self._asked_at = datetime.min.replace(tzinfo=UTC)
        """Wall time: all that was committed before is in memory."""
        self._asking: asyncio.Task[None] | None = None

    def are_certain(self) -> bool:
        """Whether nothing was opened elsewhere of which somebody has been told."""
        age = self._context.clocks.wall() - self._asked_at
        if age > TRUSTED / 2:
            self._ask()  # before anybody has to wait for it
        return timedelta(0) <= age < TRUSTED

    async def make_certain(self, session: AsyncSession | None = None) -> None:
        """Ask the database, unless that was done just now.

        `session` is one that the caller has: if it holds a connection, it is asked.
        """
        if self.are_certain():
            return
        if session is not None and session.in_transaction():
            # Another connection may be free only once the caller's is.
            await self._read(session)
            return
        for _ in range(2):  # the first may have begun long before this caller came
            await asyncio.shield(self._ask())
            if self.are_certain():
                return

    async def refresh(self) -> None:
        """Learn what was opened elsewhere; the background runner calls it every interval."""
        await self._ask()

    def _ask(self) -> asyncio.Task[None]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._read_anew())
        return self._asking

    async def _read_anew(self) -> None:
        try:
            async with (
                asyncio.timeout(_LONGEST_SECONDS),
                self._context.database.reading() as session,
            ):
                await self._read(session)
        except (Problem, TimeoutError) as error:
            log.warning("openings.unknown", reason=str(error) or type(error).__name__)
            self._asked_at = self._context.clocks.wall()  # who waited for it waits no second time
        finally:
            self._asking = None

    async def _read(self, session: AsyncSession) -> None:
        started = self._context.clocks.wall()
        await self._gifts.refresh(session)
        await self._networks.refresh(session, self._context.clocks)
        self._asked_at = started
