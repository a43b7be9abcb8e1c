"""A fixed rate of requests, raised until it isn't held any more.

wrk sends the next request once the last is answered, so a server that stalls is asked less: its waiting doesn't
show. Here each request has its time, and what it waits for a free connection counts.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import uvloop

from tests.bench.load import Request
from tests.bench.reads import Given, Readers, Route, port_of, routes_of, serving

FIRST, FACTOR = 250.0, 1.5
HELD, LONGEST_P99 = 0.97, 0.1
"""A rate is held where so much of it is answered in time, and one in a hundred waits longer than that."""
PATIENCE = 5.0
MEASURED = ("full, by a token", "unlock, read again", "unlock, a new counted read")


@dataclass(frozen=True)
class Held:
    """One rate: requests a second that were answered in its time, and seconds of waiting."""

    offered: float
    answered: float
    p50: float
    p99: float
    p999: float

    @property
    def is_held(self) -> bool:
        return self.answered >= HELD * self.offered and self.p99 <= LONGEST_P99


@dataclass(eq=False)
class _Connection(asyncio.Protocol):
    """One request at a time; tells with what status and when the answer is whole."""

    free: "deque[_Connection]"
    done: Callable[[float, int], None]
    due: float = 0.0
    _transport: asyncio.Transport | None = None
    _held: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.free.append(self)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= length:
            self._held.clear()
            self.done(self.due, int(head[9:12]))
            self.free.append(self)


async def offer(
    port: int, requests: Iterator[bytes], rate: float, *, seconds: int, connections: int
) -> Held:
    """Send at `rate` for as long. RuntimeError: something else than 200 or 402 was answered."""
    loop = asyncio.get_running_loop()
    free: deque[_Connection] = deque()
    waited: list[float] = []
    others: set[int] = set()

    def done(due: float, status: int) -> None:
        waited.append(loop.time() - due)
        if status not in {200, 402}:
            others.add(status)

    opened = [
        await loop.create_connection(lambda: _Connection(free, done), "127.0.0.1", port)
        for _ in range(connections)
    ]
    begin, sent, count = loop.time(), 0, int(rate * seconds)
    in_time = 0
    while len(waited) < count and loop.time() < begin + seconds + PATIENCE:
        while free and sent < count and begin + sent / rate <= loop.time():
            free.popleft().send(next(requests), begin + sent / rate)
            sent += 1
        if loop.time() <= begin + seconds:
            in_time = len(waited)
        await asyncio.sleep(0.0005)
    for transport, _ in opened:
        transport.abort()
    await asyncio.sleep(0.01)  # the loop closes them in its next turn
    if others:
        raise RuntimeError(f"The service answered with {sorted(others)}.")
    # What wasn't even answered has waited until the end.
    waited += [seconds + PATIENCE] * (count - len(waited))
    waited.sort()
    p50, p99, p999 = (waited[int(len(waited) * share)] for share in (0.5, 0.99, 0.999))
    return Held(rate, in_time / seconds, p50, p99, p999)


def rates(port: int, route: Route, given: Given) -> Iterator[Held]:
    """From the first rate on, until one isn't held."""
    held = True
    rate = FIRST
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while held:
            sent = _wire(route.requests(), port)
            measured = runner.run(
                offer(port, sent, rate, seconds=given.seconds, connections=4 * given.connections)
            )
            yield measured
            held = measured.is_held
            rate *= FACTOR


def _wire(requests: Sequence[Request], port: int) -> Iterator[bytes]:
    return cycle([each.wire(f"127.0.0.1:{port}") for each in requests])


def bench(make: Callable[[str], str], given: Given, say: Callable[[str], None]) -> None:
    """Each route on both databases: what was held, and the rate that wasn't."""
    for name, workers in (("SQLite", 1), ("PostgreSQL", 2)):
        say(f"\n{name}, serving processes: {workers}\n")
        say("| route | offered/s | answered/s | p50 ms | p99 ms | p99.9 ms | |")
        say("|---|---|---|---|---|---|---|")
        with serving(make(name), workers=workers) as (settings, _):
            for route in routes_of(Readers(settings), given.seconds):
                if route.name in MEASURED:
                    for held in rates(port_of(settings), route, given):
                        say(_row(route, held))


def _row(route: Route, held: Held) -> str:
    waits = (f"{1000 * each:,.1f}" for each in (held.p50, held.p99, held.p999))
    shown = (route.name, f"{held.offered:,.0f}", f"{held.answered:,.0f}", *waits)
    return f"| {' | '.join(shown)} | {'' if held.is_held else 'not held'} |"
