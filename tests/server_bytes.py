"""The service's own server without sockets: what is asked of an application goes through its bytes."""

import asyncio
from typing import Any

import httptools
import httpx2
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from service.listening import ImpatientProtocol
from tests.patience import PATIENCE

PEER = ("127.0.0.1", 123)


class ByBytes(httpx2.AsyncBaseTransport):
    """Connections to one application, which stay open: a request takes one that is idle."""

    def __init__(self, app: ASGIApp, peer: tuple[str, int] = PEER) -> None:
        self._peer = peer
        self._config = uvicorn.Config(app, log_config=None, proxy_headers=False, lifespan="off")
        self._config.load()
        self._state = ServerState()
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        connection = (
            self._idle.pop() if self._idle else _Connection(self._config, self._state, self._peer)
        )
        answer = await connection.ask(
            _encoded(request, await request.aread()), has_body=request.method != "HEAD"
        )
        self._idle.append(connection)
        return answer


def _encoded(request: httpx2.Request, body: bytes) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % pair for pair in request.headers.raw]
    return b"\r\n".join([*lines, b"", body])


class _Connection(asyncio.Transport):
    """Both ends of one: what the server writes is read at once."""

    def __init__(self, config: uvicorn.Config, state: ServerState, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer, "sockname": ("127.0.0.1", 80)})
        self._protocol = ImpatientProtocol(config, state, {})
        self._protocol.connection_made(self)
        self._reading: _Reading | None = None

    async def ask(self, request: bytes, *, has_body: bool) -> httpx2.Response:
        self._reading = _Reading(has_body)
        self._protocol.data_received(request)
        async with asyncio.timeout(PATIENCE):
            return await self._reading.answer

    def write(self, data: Any) -> None:
        if self._reading is not None:
            self._reading.parser.feed_data(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Reading:
    """One answer, as far as it has come."""

    def __init__(self, has_body: bool) -> None:
        self._has_body = has_body
        self.answer: asyncio.Future[httpx2.Response] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if not self._has_body:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        self.answer.set_result(httpx2.Response(status, headers=self._headers, content=self._body))
