"""Processes that die between any two writes, and a Stripe that can't be reached for a moment."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.payments.gateway import Gateway, GatewayUnavailable


class Killed(BaseException):
    """The process ends here."""


class Fate:
    """Counts the points at which a process can die, and lets it die at the chosen one.

    Points are before, inside and after each transaction, and before and after each call of Stripe.
    """

    def __init__(self) -> None:
        self._left: int | None = None
        self._error: type[BaseException] = Killed

    def strike(self, at: int | None, error: type[BaseException] = Killed) -> None:
        """Raise `error` at this many points from now; None: never."""
        self._left, self._error = at, error

    def point(self, *, calls_stripe: bool = False) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left > 0 or (self._error is GatewayUnavailable and not calls_stripe):
            return
        self._left = None
        raise self._error("struck")


class MortalDatabase(Database):
    """A database whose transactions may be the last thing that happens."""

    def __init__(self, url: str, fate: Fate) -> None:
        super().__init__(url)
        self._fate = fate

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        self._fate.point()
        async with super().transaction() as session:
            yield session
            self._fate.point()
        self._fate.point()


class MortalGateway:
    """A gateway whose calls may be the last thing that happens, or are answered too late."""

    def __init__(
        self, gateway: Gateway, fate: Fate, look: Callable[[str], Awaitable[None]]
    ) -> None:
        """`look` is called with the id of each subscription that is retrieved."""
        self._gateway, self._fate, self._look = gateway, fate, look

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._gateway, name)
        if name in {"subscriptions", "events", "booked_since", "verify_webhook", "close"}:
            return real

        async def call(*arguments: Any, **named: Any) -> Any:
            self._fate.point(calls_stripe=True)
            answer = await real(*arguments, **named)
            if name == "retrieve_subscription":
                await self._look(arguments[0])
            self._fate.point(calls_stripe=True)
            return answer

        return call
