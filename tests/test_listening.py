"""Connections on which requests don't come, or come too large, end; nobody else notices."""

import asyncio
import resource
import subprocess
import sys

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.encoded import Head
from service.listening import LARGEST_HEAD
from tests.patience import PATIENCE
from tests.whole_answers import NEVER, POST, Twofold, listening, sent

SOON = 0.05
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
