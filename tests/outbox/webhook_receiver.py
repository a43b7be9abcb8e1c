"""A newsroom's system in these tests: a real HTTP server that keeps what it was sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.patience import PATIENCE


@dataclass(frozen=True)
class Received:
    """One request. The names of headers are in small letters."""

    line: str
    headers: dict[str, str]
    body: bytes


Responder = Callable[[Received], Awaitable[bytes]]


def answer(status: int, text: str = "", **headers: str) -> bytes:
    """A whole HTTP answer."""
    fields = {"Content-Length": str(len(text.encode())), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", text]).encode()


@dataclass
class Receiver:
    """`respond` decides on each answer; `statuses` are given one after the other, then 204."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    respond: Responder | None = None
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?from=paywall"

    async def has(self, count: int) -> None:
        """Wait until that many requests have come."""
        async with asyncio.timeout(PATIENCE), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            request = Received(head[0], headers, body)
            async with self.arrived:
                self.received.append(request)
                self.arrived.notify_all()
            if self.respond is not None:
                writer.write(await self.respond(request))
            else:
                writer.write(answer(self.statuses.pop(0) if self.statuses else 204))
            await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
