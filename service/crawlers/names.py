"""Whether an address has a name of a crawler that leads back to it (forward-confirmed reverse DNS).

An answer is remembered; nobody is made to wait long, and few questions are open at a time: a name server that
doesn't answer costs a crawler the whole text, and readers nothing.
"""

import asyncio
import socket
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Protocol

from service.clock import Clocks
from service.limits.addresses import IpAddress

AT_ONCE = 4
PATIENCE_SECONDS = 2.0
CONFIRMED, REFUTED = timedelta(hours=24), timedelta(hours=1)
"""So long an answer is believed."""
UNANSWERED, KEPT = timedelta(minutes=1), timedelta(hours=24)
"""Where nobody answers: when it is asked again, and how long a lapsed confirmation counts meanwhile."""
MOST_REMEMBERED = 10_000
_MOST_NAMES = 4
"""Of one address."""
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_NO_SUCH_HOST = {1, 4}
"""HOST_NOT_FOUND and NO_DATA of netdb.h, which Python has no names for."""


class Names(Protocol):
    """The names of addresses. OSError, such as socket.gaierror: there are none, or nobody answers."""

    async def of(self, address: IpAddress) -> tuple[str, ...]: ...

    async def addresses(self, name: str) -> tuple[IpAddress, ...]: ...


class SystemNames:
    """By the system's resolver, in threads of their own: it can't be told to hurry."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names")

    async def of(self, address: IpAddress) -> tuple[str, ...]:
        look = asyncio.get_running_loop().run_in_executor
        name, others, _ = await look(self._threads, socket.gethostbyaddr, str(address))
        return (name, *others)

    async def addresses(self, name: str) -> tuple[IpAddress, ...]:
        look = asyncio.get_running_loop().run_in_executor
        found = await look(self._threads, socket.getaddrinfo, name, None)
        return tuple({ip_address(str(each[4][0]).partition("%")[0]) for each in found})


@dataclass(frozen=True, slots=True)
class _Answer:
    hosts: tuple[str, ...]
    """Names of the address that lead back to it."""
    until: datetime
    """It is asked again then."""
    kept_until: datetime
    """Where nobody answers, it counts until then."""


class ConfirmedNames:
    """Names of addresses, confirmed and remembered in this process."""

    def __init__(self, names: Names, clocks: Clocks, patience: float = PATIENCE_SECONDS) -> None:
        self._names = names
        self._clocks = clocks
        self._patience = patience
        self._known: OrderedDict[IpAddress, _Answer] = OrderedDict()
        self._asking: dict[IpAddress, asyncio.Task[tuple[str, ...]]] = {}

    async def is_in(self, address: IpAddress, domains: tuple[str, ...]) -> bool:
        """Whether a confirmed name of the address is one of the domains, or below one."""
        return any(
            host == domain or host.endswith(f".{domain}")
            for host in await self._of(address)
            for domain in domains
        )

    async def _of(self, address: IpAddress) -> tuple[str, ...]:
        known = self._known.get(address)
        if known is not None and self._clocks.wall() < known.until:
            return known.hosts
        asking = self._asking.get(address)
        if asking is None:
            if len(self._asking) >= AT_ONCE:
                return self._kept(address).hosts  # asked again next time
            asking = asyncio.create_task(self._ask(address))
            self._asking[address] = asking
            asking.add_done_callback(lambda _: self._asking.pop(address, None))
        return await asyncio.shield(asking)

    async def _ask(self, address: IpAddress) -> tuple[str, ...]:
        try:
            hosts = await asyncio.wait_for(self._confirmed(address), self._patience)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            answer = self._refuted() if _says_no(error) else self._kept(address)
        else:
            answer = self._confirmation(hosts) if hosts else self._refuted()
        self._known[address] = answer
        self._known.move_to_end(address)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return answer.hosts

    def _confirmation(self, hosts: tuple[str, ...]) -> _Answer:
        until = self._clocks.wall() + CONFIRMED
        return _Answer(hosts, until, until + KEPT)

    def _refuted(self) -> _Answer:
        until = self._clocks.wall() + REFUTED
        return _Answer((), until, until)

    def _kept(self, address: IpAddress) -> _Answer:
        """What counts where nobody answers: the last answer for a while, else none."""
        now, known = self._clocks.wall(), self._known.get(address)
        if known is None or known.kept_until <= now:
            known = _Answer((), now, now)
        return replace(known, until=now + UNANSWERED)

    async def _confirmed(self, address: IpAddress) -> tuple[str, ...]:
        return tuple(
            [
                name.rstrip(".").lower()
                for name in (await self._names.of(address))[:_MOST_NAMES]
                if address in await self._names.addresses(name)
            ]
        )


def _says_no(error: OSError | ValueError) -> bool:
    """Whether it is an answer, that there is no such name, and not the lack of one."""
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_SUCH_NAME
    if isinstance(error, socket.herror):
        return error.errno in _NO_SUCH_HOST
    return isinstance(error, ValueError)  # a name that can't be asked for
