"""Connections on which requests don't come, or come too large, end; nobody else notices."""

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import ClassVar

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service.eager import in_task
from service.encoded import Head, KnownRequests, Reply, Whole, Work
from service.listening import LARGEST_HEAD, ImpatientProtocol
from tests.patience import PATIENCE

SOON, NEVER = 0.05, 3600.0


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
        self.known = KnownRequests(lambda: 0.0)
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


WHOLE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("head", "body", "begun"),
    [
        (SOON, NEVER, b""),
        (SOON, NEVER, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow:"),
        (SOON, NEVER, WHOLE + b"GET / HTTP/1.1\r\n"),
        (NEVER, SOON, WHOLE[:-1]),
        (
            NEVER,
            SOON,
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        ),
    ],
)
async def test_a_request_that_is_half_sent_ends_its_connection(
    head: float, body: float, begun: bytes
) -> None:
    async with listening(head, body) as port:
        answered = await sent(port, begun)
    assert answered.count(b"200 OK") == begun.count(b"abc")


async def test_who_waits_for_an_answer_isnt_timed() -> None:
    async with listening(SOON, SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WHOLE)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_file_that_breaks_off_doesnt_look_whole(version: bytes) -> None:
    """The chunk that says that nothing follows is missing."""

    async def breaks_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first,row\n", "more_body": True})
        raise ArithmeticError("of the test")

    async with listening(app=breaks_off) as port:
        answer = await sent(port, b"GET / HTTP/%b\r\nHost: x\r\n\r\n" % version)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"a\r\nfirst,row\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_HEAD,
        b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_HEAD + b"\r\n\r\n",
        b"GET /?" + b"x" * LARGEST_HEAD + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    ],
    ids=["a field without an end", "a long field", "a long address", "many fields"],
)
async def test_a_head_has_a_size(head: bytes) -> None:
    async with listening() as port:
        answered = await sent(port, head)
    assert answered.startswith(b"HTTP/1.1 400") or not answered  # reset while still sending
    assert b"200 OK" not in answered


@pytest.mark.parametrize(
    ("soft", "hard", "then"), [(100, 300, 300), (100, 100, 100), (200, 90_000, 65_536)]
)
def test_the_limit_of_open_files_is_raised(soft: int, hard: int, then: int) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard > most != resource.RLIM_INFINITY:
        pytest.skip(f"this machine allows {most} open files")
    told = subprocess.run(
        [
            sys.executable, "-c",
            f"""
import resource
from service.listening import allow_many_connections
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_many_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
""",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == [str(then), str(hard)]


CLOSE = "Connection: close\r\n"
GET = "GET {} HTTP/1.1\r\n"
POST = "POST {} HTTP/1.1\r\nContent-Length: 3\r\n"


@pytest.mark.parametrize(
    "path",
    [
        "/whole",
        "/whole/not",
        "/whole/broken",
        "/whole/broken/later",
        "/whole/broken/answered",
        "/whole/a%20b",
        "/whole?b",
    ],
)
@pytest.mark.parametrize(
    "requests",
    [
        (GET + CLOSE + "\r\n",),
        ("GET {} HTTP/1.0\r\n\r\n",),
        (POST + CLOSE + "\r\nabc",),
        # One after the other on one connection, all sent at once.
        (GET + "\r\n", POST + "\r\nabc", GET + "\r\n", GET + CLOSE + "\r\n"),
        (GET + "Expect: 100-continue\r\n" + CLOSE + "\r\n",),
        ("POST {} HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + "x" * 100_000, GET + CLOSE + "\r\n"),
        (
            "POST {} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            GET + CLOSE + "\r\n",
        ),
    ],
    ids=["close", "1.0", "a body", "several", "expecting", "a long body", "chunks"],
)  # fmt: skip
async def test_a_whole_answer_has_the_bytes_of_any_other(
    requests: tuple[str, ...], path: str
) -> None:
    answers = []
    for asked in ("/plain", path):
        sent_ = "".join(
            each.format(asked).replace("\r\n", "\r\nHost: x\r\n", 1) for each in requests
        )
        async with listening(app=Twofold()) as port:
            answers.append(await sent(port, sent_.encode()))
    assert answers[0] == answers[1]
    assert answers[1].count(b"\r\n\r\n") >= len(requests)


async def test_a_whole_answer_is_given_to_what_comes_in_pieces() -> None:
    app = Twofold()
    async with listening(app=app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (b"POST /whole HTTP/1.1\r\nHo", b"st: x\r\nContent-Length: 3\r\n\r\na", b"bc"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"abche")).startswith(b"HTTP/1.1 402")
        writer.close()
        await writer.wait_closed()
    assert app.asked == ["/whole"]


async def test_what_is_asked_while_a_whole_answer_is_awaited_comes_after_it() -> None:
    app = Twofold()
    async with listening(app=app) as port, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n, path in enumerate(("/whole/later", "/whole", "/plain", "/whole/later")):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
            writer.write(f"{head}{n}".encode())
        await writer.drain()
        await app.was_asked.wait()
        app.may_answer.set()
        for n in range(4):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(5) == b"%dhell" % n
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_stops_gives_the_whole_answer_that_is_awaited() -> None:
    app, state = Twofold(), ServerState()
    async with listening(app=app, state=state) as port, asyncio.timeout(PATIENCE):
        answered = asyncio.create_task(sent(port, b"GET /whole/later HTTP/1.1\r\nHost: x\r\n\r\n"))
        await app.was_asked.wait()
        (connection,) = state.connections
        connection.shutdown()
        app.may_answer.set()
        assert b"connection: close\r\n\r\nhello" in await answered


async def test_who_leaves_before_a_whole_answer_is_no_failure() -> None:
    """Readers go while their count is written; the connection's end isn't the service's."""
    app = Twofold()
    async with listening(app=app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /whole/later HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        async with asyncio.timeout(PATIENCE):
            await app.was_asked.wait()
        writer.close()
        await writer.wait_closed()
        app.may_answer.set()
        assert b"hello" in await sent(
            port, b"GET /whole HTTP/1.1\r\nHost: x\r\n" + CLOSE.encode() + b"\r\n"
        )


KNOWN = POST.replace("{}", "/whole/known").replace("\r\n", "\r\nHost: x\r\n", 1).encode() + b"\r\n"


async def answered(port: int, *pieces: bytes) -> list[bytes]:
    """What comes back for each piece of one connection, which is sent once the one before is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    async with asyncio.timeout(PATIENCE):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            found.append(await reader.readuntil(b"abche"))
    writer.close()
    await writer.wait_closed()
    return found


async def test_a_request_of_the_same_bytes_is_read_once_a_connection() -> None:
    app = Twofold()
    async with listening(app=app) as port:
        for _ in range(2):
            told = await answered(port, *[KNOWN + b"abc"] * 4)
            assert len(set(told)) == 1
            assert told[0].endswith(b"\r\n\r\nabche")
    assert app.asked == ["/whole/known", *["again"] * 3] * 2


@pytest.mark.parametrize("why", ["forgets", "fails"])
async def test_what_isnt_known_any_more_is_read(why: str) -> None:
    app = Twofold()
    async with listening(app=app) as port:
        told = await answered(port, *[KNOWN + b"abc"] * 2)
        setattr(app, why, True)
        assert await answered(port, *[KNOWN + b"abc"] * 2) == told
    assert app.asked == ["/whole/known", "again", "/whole/known", "again", "/whole/known"]


@pytest.mark.parametrize(
    "pieces",
    [
        # The second piece looks like a whole request, and is none by itself.
        [KNOWN[:20], KNOWN[20:] + b"abc", KNOWN[:20], KNOWN[20:] + b"abc"],
        [KNOWN, b"abc", KNOWN, b"abc"],
        [(KNOWN + b"abc") * 2] * 3,
        [KNOWN + b"abc" + KNOWN, b"abc", KNOWN + b"abc" + KNOWN, b"abc"],
        [b"\r\n" + KNOWN + b"abc", KNOWN + b"abc", b"\r\n" + KNOWN + b"abc"],
        [KNOWN.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"] * 3,
        [KNOWN + b"abc", KNOWN + b"ab", b"c", KNOWN + b"abc"],
    ],
    ids=["a piece", "a body alone", "two at once", "a head behind", "an empty line", "chunks", "a body's end"],
)  # fmt: skip
async def test_pieces_are_no_requests(pieces: list[bytes]) -> None:
    told = []
    for path in (b"/whole/known", b"/plain/known"):
        async with listening(app=Twofold()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found = b""
            async with asyncio.timeout(PATIENCE):
                for n, piece in enumerate(pieces):
                    writer.write(piece.replace(b"/whole/known", path))
                    await writer.drain()
                    asked = b"".join(pieces[: n + 1]).count(b"abc")
                    while found.count(b"abche") < asked:
                        found += await reader.read(1000)
            writer.close()
            await writer.wait_closed()
        told.append(found)
    assert told[0] == told[1]


@pytest.mark.parametrize(("seconds", "ends"), [(3600, False), (0, True)])
async def test_known_requests_keep_a_connection(seconds: int, ends: bool) -> None:
    """The timer of idle connections finds out how long that is."""
    state = ServerState()
    async with listening(app=Twofold(), state=state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(KNOWN + b"abc")
            await reader.readuntil(b"abche")
        (connection,) = state.connections
        assert isinstance(connection, ImpatientProtocol)
        connection.timeout_keep_alive = seconds
        connection.timeout_keep_alive_handler()
        assert connection.transport.is_closing() is ends
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
def test_a_header_holds_no_other_one(value: bytes) -> None:
    with pytest.raises(ValueError, match="line's end"):
        Head.of([(b"location", value)])


def test_a_part_that_fails_after_the_start_ends_it_as_a_failed_start() -> None:
    code = """
import socket
from service.listening import serve
async def app(scope, receive, send):
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})
listener = socket.create_server(("127.0.0.1", 0))
print(serve(app, listener, graceful_seconds=1, has_failed=lambda: True))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert run.stdout == "False\n"
