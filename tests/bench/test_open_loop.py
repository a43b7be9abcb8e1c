"""What is offered is sent, once each, and what waits for a stalled server is waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import repeat

import pytest

from tests.bench.open_loop import offer

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def answering(status: int, pause: float, seen: list[bytes]) -> AsyncIterator[int]:
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with suppress(ConnectionError):
            while request := await reader.read(1000):
                seen.append(request)
                await asyncio.sleep(pause)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n" % status)
                await writer.drain()
                writer.write(b"ok")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in served if task is not None))


async def test_each_request_is_sent_once_at_its_time() -> None:
    seen: list[bytes] = []
    async with answering(200, 0, seen) as port:
        held = await offer(port, repeat(REQUEST), 100, seconds=1, connections=4)
    assert seen == [REQUEST] * 100
    assert held.offered == 100
    assert held.p50 <= held.p99 <= held.p999


async def test_waiting_for_a_free_connection_counts() -> None:
    async with answering(200, 0.05, []) as port:
        held = await offer(port, repeat(REQUEST), 40, seconds=1, connections=1)
    # One connection does at most twenty a second: the later half comes ever later.
    assert held.answered <= 20
    assert held.p99 >= 0.8
    assert not held.is_held


async def test_a_refusal_is_no_figure() -> None:
    async with answering(500, 0, []) as port:
        with pytest.raises(RuntimeError, match="500"):
            await offer(port, repeat(REQUEST), 10, seconds=1, connections=1)
