"""The service's own server on a port, and an application that answers whole, and as ASGI has it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service.eager import in_task
from service.encoded import Head, Reply, Whole, Work
from service.known_requests import KnownRequests
from service.listening import ImpatientProtocol
from tests.patience import PATIENCE

NEVER = 3600.0
POST = "POST {} HTTP/1.1\r\nContent-Length: 3\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body's length once it is there."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = b"%d" % size
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


NAMED = [(b"content-type", b"text/plain"), (b"content-length", b"5"), (b"x-frame", b"a, b")]


class Twofold:
    """Answers alike on all paths: below `/whole` whole, elsewhere and to `/whole/not` as ASGI has it.

    To `/whole/known` it has an answer `again`, unless it `forgets` that or `fails`.

    At `/whole/later` what it waits for comes when `may_answer` is set, which is asked of a task. Three paths are
    broken: at once, later, and once it is answered.
    """

    whole_below = b"/whole"

    def __init__(self) -> None:
        self.known = KnownRequests()
        self.may_answer = asyncio.Event()
        self.asked: list[str] = []
        self.forgets = self.fails = False
        self.was_asked = asyncio.Event()

    def whole(self, scope: Scope, body: bytes, reply: Reply) -> Work | None:
        path = scope["path"]
        self.asked.append(path)
        self.was_asked.set()
        answer = Whole(_status(scope), (Head.of(NAMED[:1]), Head.of(NAMED[1:])), _echoed(body))
        if path == "/whole/broken":
            raise ArithmeticError("of the test")
        if path in {"/whole/later", "/whole/broken/later"}:
            return self._later(path, answer, reply)
        if path == "/whole/known":
            answer = answer._replace(again=partial(self._again, answer))
        reply(None if path == "/whole/not" else answer)
        if path == "/whole/broken/answered":
            raise ArithmeticError("of the test")
        return None

    def _again(self, answer: Whole) -> Whole | None:
        self.asked.append("again")
        if self.fails:
            raise ArithmeticError("of the test")
        return None if self.forgets else answer

    async def _later(self, path: str, answer: Whole, reply: Reply) -> None:
        if path == "/whole/broken/later":
            raise ArithmeticError("of the test")
        await in_task()
        async with asyncio.timeout(PATIENCE):
            await self.may_answer.wait()
        reply(answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": _status(scope), "headers": NAMED})
        await send({"type": "http.response.body", "body": _echoed(body)})


def _status(scope: Scope) -> int:
    return 402 if scope["method"] == "POST" else 200


def _echoed(body: bytes) -> bytes:
    """The first five bytes of it."""
    return (body + b"hello")[:5]


@contextlib.asynccontextmanager
async def listening(
    head: float = NEVER,
    body: float = NEVER,
    app: ASGIApp = echo,
    state: ServerState | None = None,
) -> AsyncIterator[int]:
    class Timed(ImpatientProtocol):
        seconds: ClassVar[dict[str, float]] = {"head": head, "body": body}

    config = uvicorn.Config(app, log_config=None, proxy_headers=False)
    state = state or ServerState()
    state.default_headers = [(b"date", b"Sun, 29 Nov 2026 18:00:00 GMT")]
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Timed(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def sent(port: int, request: bytes) -> bytes:
    """All that is answered, until the service ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = b""
    with contextlib.suppress(ConnectionError):
        writer.write(request)
        await writer.drain()
        answered = await reader.read()
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
    return answered
