"""A name server that knows what a test tells it."""

import asyncio
from socket import EAI_NONAME, gaierror

from service.limits.addresses import IpAddress


class FakeNames:
    """`silent`: an answer comes only once it is set; with `dead` addresses, theirs alone. `failure` is raised in
    place of an answer.
    """

    def __init__(
        self,
        known: dict[IpAddress, tuple[str, ...]],
        addresses_of: dict[str, tuple[IpAddress, ...]],
    ) -> None:
        self.known = known
        self.addresses_of = addresses_of
        self.asked = 0
        self.silent: asyncio.Event | None = None
        self.dead: frozenset[IpAddress] = frozenset()
        self.failure: OSError | None = None
        self._was_asked = asyncio.Event()

    async def of(self, address: IpAddress) -> tuple[str, ...]:
        self.asked += 1
        self._was_asked.set()
        if self.silent is not None and (not self.dead or address in self.dead):
            await self.silent.wait()
        if self.failure is not None:
            raise self.failure
        if address not in self.known:
            raise gaierror(EAI_NONAME, "no such name")
        return self.known[address]

    async def all_asked(self, times: int) -> None:
        """Wait until it was asked as often."""
        while self.asked < times:
            self._was_asked.clear()
            await self._was_asked.wait()

    async def addresses(self, name: str) -> tuple[IpAddress, ...]:
        if name not in self.addresses_of:
            raise gaierror(EAI_NONAME, "no such name")
        return self.addresses_of[name]
