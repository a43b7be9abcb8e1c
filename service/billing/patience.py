"""Asking Stripe for everything, over minutes or hours: also where it is away for a moment, or wants fewer
requests.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from service.payments.gateway import GatewayKeyRefused, GatewayUnavailable

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait when Stripe is away or wants fewer requests, before a run gives up."""

log = structlog.get_logger()


class Named(Protocol):
    """Something of Stripe's."""

    @property
    def id(self) -> str: ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)


@dataclass
class Patience:
    """Of one run. It has none while Stripe hasn't answered at all: somebody waits to hear that."""

    pauses: tuple[float, ...]
    reached: bool = False

    async def ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer. GatewayUnavailable: Stripe stays away for longer than all pauses."""
        for pause in self._pauses:
            try:
                return await ask()
            except GatewayKeyRefused:
                raise
            except GatewayUnavailable as error:
                await self._wait(pause, error)
        return await ask()

    async def listing(self, begin: Callable[[], AsyncIterator[N]]) -> AsyncGenerator[N, None]:
        """Everything of a list, each once; where Stripe went away meanwhile it is begun anew."""
        seen: set[str] = set()
        for pause in (*self._pauses, None):
            try:
                async for item in begin():
                    self.reached = True
                    if item.id not in seen:
                        seen.add(item.id)
                        yield item
            except GatewayUnavailable as error:
                if pause is None or isinstance(error, GatewayKeyRefused):
                    raise
                await self._wait(pause, error)
            else:
                self.reached = True
                return

    @property
    def _pauses(self) -> tuple[float, ...]:
        return self.pauses if self.reached else ()

    async def _wait(self, seconds: float, error: GatewayUnavailable) -> None:
        log.warning("stripe.waiting", reason=str(error), seconds=seconds)
        await asyncio.sleep(seconds)
