"""Whether an address has a name of a crawler that leads back to it (forward-confirmed reverse DNS).

An answer is remembered, and nobody is made to wait long. A question can't be taken back: it is open until the
resolver gives up, long after the caller has gone. Anybody can say to be a crawler, and own a zone that never
answers, so a network has one question open, and waits longer each time that nobody answered. Networks where a
crawler was confirmed have room of their own, which strangers can't take.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Protocol, TypeVar

from service.clock import Clocks
from service.limits.addresses import IpAddress

AT_ONCE, KNOWN_AT_ONCE = 16, 8
"""Questions that are open for strangers' networks, and for those where a crawler was confirmed."""
PATIENCE_SECONDS = 2.0
CONFIRMED, REFUTED = timedelta(hours=24), timedelta(hours=1)
"""So long an answer is believed."""
UNANSWERED, KEPT = timedelta(minutes=1), timedelta(hours=24)
"""Where nobody answers: when it is asked again, and how long a lapsed confirmation counts meanwhile."""
LONGEST_PAUSE = timedelta(hours=1)
"""Of a network where nobody answers: it begins with UNANSWERED and doubles."""
MOST_REMEMBERED = 10_000
_STRANGERS_BITS, _KNOWN_BITS = {4: 24, 6: 32}, {4: 24, 6: 48}
"""What counts as one network: of strangers as much as somebody can have many of, of crawlers no more than is theirs."""
_MOST_NAMES = 4
"""Of one address."""
_Network = tuple[int, int]
K = TypeVar("K")
V = TypeVar("V")
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
        self._threads = ThreadPoolExecutor(AT_ONCE + KNOWN_AT_ONCE, thread_name_prefix="names")

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


@dataclass(frozen=True, slots=True)
class _Pause:
    """How long a network isn't asked for."""

    lasts: timedelta
    until: datetime


class ConfirmedNames:
    """Names of addresses, confirmed and remembered in this process."""

    def __init__(self, names: Names, clocks: Clocks, patience: float = PATIENCE_SECONDS) -> None:
        self._names = names
        self._clocks = clocks
        self._patience = patience
        self._known: OrderedDict[IpAddress, _Answer] = OrderedDict()
        self._asking: dict[IpAddress, asyncio.Task[tuple[str, ...]]] = {}
        self._pauses: OrderedDict[_Network, _Pause] = OrderedDict()
        self._crawlers: OrderedDict[_Network, None] = OrderedDict()
        """Networks where a crawler was confirmed."""

    async def is_in(self, address: IpAddress, domains: tuple[str, ...]) -> bool:
        """Whether a confirmed name of the address is one of the domains, or below one."""
        found = any(
            host == domain or host.endswith(f".{domain}")
            for host in await self._of(address)
            for domain in domains
        )
        if found:
            _put(self._crawlers, _network(address, _KNOWN_BITS), None)
        return found

    async def _of(self, address: IpAddress) -> tuple[str, ...]:
        known = self._known.get(address)
        if known is not None and self._clocks.wall() < known.until:
            return known.hosts
        asking = self._asking.get(address)
        if asking is None:
            if not self._has_room(address):
                return self._kept(address).hosts  # asked again next time
            asking = asyncio.create_task(self._ask(address))
            self._asking[address] = asking
            asking.add_done_callback(lambda _: self._asking.pop(address, None))
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(asking)
        except TimeoutError:
            # Where the answer still comes, it counts from then on.
            self._pause(_network(address, _STRANGERS_BITS))
            return self._remember(address, self._kept(address))

    def _has_room(self, address: IpAddress) -> bool:
        """Whether another question may be open, by those that are open really."""
        if self._is_of_crawlers(address):
            return sum(map(self._is_of_crawlers, self._asking)) < KNOWN_AT_ONCE
        network = _network(address, _STRANGERS_BITS)
        pause = self._pauses.get(network)
        if pause is not None and self._clocks.wall() < pause.until:
            return False
        strangers = [each for each in self._asking if not self._is_of_crawlers(each)]
        return len(strangers) < AT_ONCE and all(
            _network(each, _STRANGERS_BITS) != network for each in strangers
        )

    def _is_of_crawlers(self, address: IpAddress) -> bool:
        return _network(address, _KNOWN_BITS) in self._crawlers

    def _pause(self, network: _Network) -> None:
        now, before = self._clocks.wall(), self._pauses.get(network)
        if before is not None and now < before.until:
            return  # of another who waited for the same answer
        lasts = min(before.lasts * 2, LONGEST_PAUSE) if before is not None else UNANSWERED
        _put(self._pauses, network, _Pause(lasts, now + lasts))

    async def _ask(self, address: IpAddress) -> tuple[str, ...]:
        try:
            hosts = await self._confirmed(address)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            answer = self._refuted() if _says_no(error) else self._kept(address)
        else:
            answer = self._confirmation(hosts) if hosts else self._refuted()
        return self._remember(address, answer)

    def _remember(self, address: IpAddress, answer: _Answer) -> tuple[str, ...]:
        _put(self._known, address, answer)
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


def _network(address: IpAddress, bits: Mapping[int, int]) -> _Network:
    """The address's network, by its version and first bits."""
    shift = address.max_prefixlen - bits[address.version]
    return address.version, int(address) >> shift


def _put(remembered: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember it as the newest, and forget the oldest beyond what has room."""
    remembered[key] = value
    remembered.move_to_end(key)
    if len(remembered) > MOST_REMEMBERED:
        remembered.popitem(last=False)
