"""A line to PostgreSQL that a test can cut, silence, and mend."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
State = Literal["open", "cut", "silent", "starting"]


@dataclass
class Line:
    """Forwards to the real server while `open`.

    `cut`: connections end at once; `silent`: nothing passes and nothing ends; `starting`: the server
    is there and lets nobody in yet.
    """

    host: str
    port: int
    state: State = "open"
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def become(self, state: State) -> None:
        self.state = state
        if state in {"cut", "starting"}:
            for writer in self._writers:
                writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state == "cut":
            return
        if self.state == "starting":
            await self._refuse(reader, writer)
            return
        there_reader, there = await asyncio.open_connection(self.host, self.port)
        self._writers.add(there)
        try:
            await asyncio.gather(self._pass(reader, there), self._pass(there_reader, writer))
        finally:
            self._writers.discard(there)
            there.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            while self.state == "silent":  # noqa: ASYNC110 there are several states to wait for
                await asyncio.sleep(0.02)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        rest = await reader.readexactly(length - 4)
        if rest == struct.pack("!i", 80877103):  # may we encrypt?
            writer.write(b"N")
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            await reader.readexactly(length - 4)
        writer.write(b"E" + struct.pack("!i", len(STARTING_UP) + 4) + STARTING_UP)
        await writer.drain()


@contextlib.asynccontextmanager
async def line_to(database_url: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to the server of `database_url`, and the URL that goes through it."""
    parts = urlsplit(database_url)
    line = Line(str(parts.hostname), int(parts.port or 5432))
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    credentials = parts.netloc.rpartition("@")[0]
    try:
        yield line, parts._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
    finally:
        line.become("cut")
        server.close()
        await server.wait_closed()
