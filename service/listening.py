"""The port of a serving process, taken before anything else is done, and serving on it."""

import asyncio
import gc
import os
import resource
import socket
from contextlib import suppress
from typing import ClassVar, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.encoded import WHOLE

LARGEST_PORT = 65_535
LARGEST_HEAD = 32 * 1024
MOST_FILES = 65_536


class PortRefused(Exception):
    """The port can't be used; the message says why, and the caller what to do."""


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. PortRefused: it is taken, or the address isn't this machine's."""
    if not 1 <= port <= LARGEST_PORT:
        raise PortRefused(f"There is no port {port}: choose one from 1024 to {LARGEST_PORT}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening at once: a second process is told at its start, not after its preparations.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        cause = (
            error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        )
        raise PortRefused(
            f"Port {port} of {host} can't be used ({(cause or 'unknown reason').lower()})."
        ) from error
    return listener


class _Whole:
    """Sends one answer whose headers are encoded already (encoded.py), as uvicorn sends any other."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def __call__(self, status: int, lines: bytes, body: bytes) -> None:
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        own = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.transport.write(b"".join((STATUS_LINE[status], own, lines, end, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP whose callers have to go on sending, or the connection ends; heads have a size.

    Half-sent requests would otherwise stay for ever. Nothing is timed while an answer is awaited.
    """

    seconds: ClassVar[dict[str, float]] = {"head": 10.0, "body": 60.0}

    _awaited: Literal["head", "body"] | None = "head"
    _timed: Literal["head", "body"] | None = None
    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._awaited = None
        self._time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._awaited == "head":
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("")
        self._time()

    def on_message_begin(self) -> None:
        self._awaited, self._head = "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._awaited = "body"
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > LARGEST_HEAD:
            self._head = size
            raise ValueError("the head is too large")  # answered with 400
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._awaited = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        cycle.scope["extensions"] = {WHOLE: _Whole(cycle)}  # type: ignore[dict-item]  # as its authors like
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]

    def send_400_response(self, msg: str) -> None:
        if self._head > LARGEST_HEAD:
            msg = f"The request's head is larger than {LARGEST_HEAD // 1024} KiB."
        super().send_400_response(msg)

    def _time(self) -> None:
        """Let the time run of what is awaited now; a request that comes at once needs no timer."""
        if self._timed == self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timed, self._timer = self._awaited, None
        if self._awaited is not None:
            self._timer = self.loop.call_later(self.seconds[self._awaited], self._give_up)

    def _give_up(self) -> None:
        is_answering = (
            self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        )
        if is_answering:  # an earlier request of this connection
            self._timed = None
            self._time()
        else:
            self.transport.close()


def allow_many_connections() -> None:
    """Raise the limit of open files, which is 1,024 by default on most systems, as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(app: ASGIApp, listener: socket.socket, *, graceful_seconds: int) -> bool:
    """Serve until SIGTERM or Ctrl-C, which finish what is in flight; False: it failed to start."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=ImpatientProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=graceful_seconds,
    )
    server = uvicorn.Server(config)
    allow_many_connections()
    # What is there by now lives as long as the process. To look through it again and again took more
    # than a tenth of a second at a time, in which nobody was answered.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # uvicorn stops gracefully and then lets the signal take its usual effect.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.started
