"""The port of a serving process, taken before anything else is done, and serving on it."""

import asyncio
import gc
import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import ClassVar, Literal, Protocol, runtime_checkable

import structlog
import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.eager import begin
from service.encoded import Reply, Whole, Work
from service.known_requests import KnownRequests

LARGEST_PORT = 65_535
LARGEST_HEAD = 32 * 1024
LARGEST_HELD = 64 * 1024
"""Of a body that is held until it is whole."""
MOST_FILES = 65_536
_HEADS_END = b"\r\n\r\n"
log = structlog.get_logger()


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


@runtime_checkable
class AnswersWhole(Protocol):
    """An ASGI application that has whole answers to some requests below a path."""

    whole_below: bytes
    known: KnownRequests

    def whole(self, scope: Scope, body: bytes, reply: Reply) -> Work | None:
        """Reply to the request of `scope`, which came with this body: at once, or later with others.

        What is returned is still to be done, and replies; it begins outside of a task (eager.py).
        """


class _Pending:
    """A request whose whole answer is awaited, where uvicorn looks for its own, and the reply to it."""

    response_complete = disconnected = more_body = False
    keep_alive = True
    message_event = asyncio.Event()
    """Nobody waits for it."""

    def __init__(
        self, protocol: "ImpatientProtocol", scope: Scope, body: bytes, request: bytes | None
    ) -> None:
        """`request`: all its bytes, if they came alone and at once."""
        self._protocol, self.scope, self.body, self.request = protocol, scope, body, request
        self._is_replied = False

    def reply(self, answer: Whole | None) -> None:
        """As `encoded.Reply`; a second answer, after an error on the first one's way, would be taken for another
        request's.
        """
        if self._is_replied:
            return
        self._is_replied = True
        if answer is None:
            self._protocol.ask_as_asgi(self)
        else:
            self._protocol.give(answer, self)


class _OwnLines:
    """The server's own headers as HTTP/1.1 has them. uvicorn makes a new list of them each second."""

    def __init__(self) -> None:
        self._named: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def __call__(self, named: list[tuple[bytes, bytes]]) -> bytes:
        if named is not self._named:
            self._named, self._lines = named, b"".join([b"%b: %b\r\n" % pair for pair in named])
        return self._lines


_own_lines = _OwnLines()


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP whose callers have to go on sending, or the connection ends; heads have a size.

    Half-sent requests would otherwise stay for ever. Nothing is timed while an answer is awaited.
    """

    seconds: ClassVar[dict[str, float]] = {"head": 10.0, "body": 60.0}

    _awaited: Literal["head", "body"] | None = "head"
    _timed: Literal["head", "body"] | None = None
    _timer: asyncio.TimerHandle | None = None
    _head = 0
    _piece = b""
    _is_start = False
    """What is being read, and whether it begins with a request, not within one."""
    _answerer: AnswersWhole | None = None
    _answered_at = -inf
    """When a known request was, by the loop's time."""
    _held: bytes | None = None
    """The body as far as it has come, of a request that may have a whole answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.config.loaded_app
        self._answerer = app if isinstance(app, AnswersWhole) else None
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._awaited = None
        self._time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaited is None and self._is_idle() and self._is_known(data):
            return
        is_fresh = self._awaited == "head" and not self._head
        self._piece, self._is_start = data, self._awaited is None or is_fresh
        super().data_received(data)
        if self._awaited == "head":
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("")
        self._time()

    def _is_known(self, data: bytes) -> bool:
        """Answer these bytes, if they are a request that is known: between two requests they say what they said before."""
        if self._answerer is None:
            return False
        try:
            answer = self._answerer.known.answer(data)
        except Exception:
            # Behind the method, which empty lines may precede.
            path = data.split(maxsplit=2)[1].decode("ascii", "replace")
            log.exception("request.failed", path=path)
            return False
        if answer is not None:
            self._write(answer, b"\r\n")
            self._answered_at = self.loop.time()
            self.server_state.total_requests += 1
        return answer is not None

    def _is_idle(self) -> bool:
        """Whether what was asked is answered, and the next answer can be written."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def on_message_begin(self) -> None:
        self._awaited, self._head = "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._awaited = "body"
        # A head that began in this piece is no longer than it.
        if self._head + len(self._piece) > LARGEST_HEAD:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > LARGEST_HEAD:
                self._head = size
                raise ValueError("the head is too large")  # answered with 400
        if self._may_be_whole():
            self._held = b""
        else:
            super().on_headers_complete()

    def _may_be_whole(self) -> bool:
        """Whether it is as plain as most requests, and no other one is being answered."""
        app, parser = self._answerer, self.parser
        return (
            app is not None
            and self.url.startswith(app.whole_below)
            and b"?" not in self.url
            and b"%" not in self.url
            and self._is_idle()
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
        )

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) > LARGEST_HELD:
            held, self._held = self._held, None
            super().on_headers_complete()
            super().on_body(held)

    def on_message_complete(self) -> None:
        self._awaited = None
        if self._held is None:
            super().on_message_complete()
            return
        body, self._held = self._held, None
        scope: Scope = self.scope  # type: ignore[assignment]  # as its authors like
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"], scope["raw_path"] = self.url.decode("ascii"), self.url
        scope["query_string"] = b""
        pending = _Pending(self, scope, body, self._alone(body))
        self.cycle = pending  # type: ignore[assignment]  # what is asked meanwhile waits, as behind one of its own
        work = self._ask_for_whole(pending)
        task = begin(self._finish(work, pending), self.loop) if work is not None else None
        if task is not None:
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def _alone(self, body: bytes) -> bytes | None:
        """All bytes of the request with this body, unless it came in pieces, or with others' bytes."""
        piece = self._piece
        is_alone = piece.find(_HEADS_END) + len(_HEADS_END) + len(body) == len(piece)
        return piece if is_alone and self._is_start else None

    def _ask_for_whole(self, pending: _Pending) -> Work | None:
        try:
            if self._answerer is not None:
                return self._answerer.whole(pending.scope, pending.body, pending.reply)
        except Exception:
            log.exception("request.failed", path=pending.scope["path"])
        pending.reply(None)
        return None

    async def _finish(self, work: Work, pending: _Pending) -> None:
        try:
            await work
        except Exception:
            log.exception("request.failed", path=pending.scope["path"])
            pending.reply(None)

    def give(self, answer: Whole, pending: _Pending) -> None:
        """Answer a request whole."""
        if self.transport.is_closing():
            return
        if answer.again is not None and pending.request is not None and self._answerer is not None:
            self._answerer.known.keep(pending.request, answer.again)
        self._write(answer, b"\r\n" if pending.keep_alive else b"connection: close\r\n\r\n")
        pending.response_complete = True
        if not pending.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _write(self, answer: Whole, end: bytes) -> None:
        lines = [head[1] for head in answer.heads]
        own = _own_lines(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[answer.status], own, *lines, end, answer.body)))

    def ask_as_asgi(self, pending: _Pending) -> None:
        """Start the application for a request that turned out to have no whole answer."""
        cycle = RequestResponseCycle(
            scope=pending.scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=pending.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body, cycle.more_body = bytearray(pending.body), False
        cycle.disconnected = pending.disconnected
        cycle.message_event.set()
        latest: object = self.cycle
        if latest is pending:  # else one that was asked meanwhile
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that is idle. Answers to known requests set no timer anew: it takes as long as they do."""
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

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


def collect_rarely() -> None:
    """Let the collector leave alone what is there, which lives as long as the process.

    To look through it again and again took more than a tenth of a second at a time, in which nobody was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _Server(uvicorn.Server):
    """Ends, as by a signal, once `has_failed` says so."""

    def __init__(self, config: uvicorn.Config, has_failed: Callable[[], bool]) -> None:
        super().__init__(config)
        self._has_failed = has_failed

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._has_failed()


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    graceful_seconds: int,
    has_failed: Callable[[], bool] = lambda: False,
) -> bool:
    """Serve until SIGTERM or Ctrl-C, which finish what is in flight; False: it failed to start.

    `has_failed` is asked again and again: a part that is started later can't, and it ends likewise.
    """
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
    server = _Server(config, has_failed)
    allow_many_connections()
    collect_rarely()
    # uvicorn stops gracefully and then lets the signal take its usual effect.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.started and not has_failed()
