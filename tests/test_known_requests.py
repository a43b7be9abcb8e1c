"""Equal bytes say what they said before, on any connection, if they were one whole request."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from service.encoded import Again, Whole
from service.known_requests import KnownRequests
from service.listening import ImpatientProtocol
from tests.patience import PATIENCE
from tests.whole_answers import POST, Twofold, listening

KNOWN = POST.replace("{}", "/whole/known").replace("\r\n", "\r\nHost: x\r\n", 1).encode() + b"\r\n"
PLAIN = KNOWN.replace(b"/whole", b"/plain")
GOT = b"GET /whole/known HTTP/1.1\r\nHost: x\r\n\r\n"
OTHERS = b"POST /whole/others HTTP/1.1\r\nHost: x\r\nX: "
"""The beginning of a request."""
TURNS = 10
"""Of the loop: more than an answer takes."""


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


async def test_a_failure_is_logged_with_its_path() -> None:
    app = Twofold()
    async with listening(app=app) as port:
        await answered(port, KNOWN + b"abc")
        app.fails = True
        with capture_logs() as logged:
            await answered(port, *[KNOWN + b"abc"] * 2)
    assert [(line["event"], line["path"]) for line in logged] == [
        ("request.failed", "/whole/known")
    ]


ANSWER = Whole(200, (), b"")


def fails() -> Whole | None:
    raise ArithmeticError("of the test")


@pytest.mark.parametrize(
    ("request_", "again", "is_kept"),
    [
        (b"a", lambda: ANSWER, True),
        (b"a" * 4_096, lambda: ANSWER, True),
        (b"a" * 4_097, lambda: ANSWER, False),
        (b"a", lambda: None, False),
        (b"a", fails, False),
    ],
    ids=["short", "the longest", "too long", "no answer any more", "a failure"],
)
async def test_what_is_kept(request_: bytes, again: Again, is_kept: bool) -> None:
    known = KnownRequests()
    known.keep(request_, again)
    with contextlib.suppress(ArithmeticError):
        assert known.answer(request_) is (ANSWER if is_kept else None)
    assert len(known) == is_kept


async def test_an_idle_process_forgets_them() -> None:
    """What answers them holds on to copies of articles. It does so each time that some are kept."""
    known = KnownRequests(seconds=0)
    for _ in range(2):
        known.keep(b"a", lambda: ANSWER)
        assert len(known) == 1
        async with asyncio.timeout(PATIENCE):
            while known:  # noqa: ASYNC110 it tells nobody
                await asyncio.sleep(0)


class _Wire(asyncio.Transport):
    """The server's end of a connection: what it writes is kept."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 123), "sockname": ("127.0.0.1", 80)})
        self.written, self._is_closing = b"", False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Keepless(KnownRequests):
    """Has everything read."""

    def keep(self, request: bytes, again: Again) -> None:
        pass


async def played(known: KnownRequests, *connections: Sequence[bytes]) -> list[bytes]:
    """What an application answers on each connection, one after the other, to these pieces."""
    app = Twofold()
    app.known = known
    config = uvicorn.Config(app, log_config=None, proxy_headers=False, lifespan="off")
    config.load()
    state, told = ServerState(), []
    for pieces in connections:
        wire, protocol = _Wire(), ImpatientProtocol(config, state, {})
        protocol.connection_made(wire)
        for piece in pieces:
            if not wire.is_closing():
                protocol.data_received(piece)
            for _ in range(TURNS):
                await asyncio.sleep(0)
        told.append(wire.written)
        protocol.connection_lost(None)
    return told


async def assert_mean_what_they_say(pieces: Sequence[bytes]) -> None:
    """On their own connection, and each behind an answered request of another one."""
    connections = [pieces, *([GOT, piece, GOT] for piece in pieces)]
    read = await played(Keepless(), *connections)
    assert await played(KnownRequests(), *connections) == read, pieces


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
        [KNOWN.replace(b": 3", b": %d" % len(OTHERS)), OTHERS + GOT],
        [PLAIN, b"abc" + GOT],
        [GOT[:20], GOT[20:] + GOT],
    ],
    ids=[
        "a piece", "a body alone", "two at once", "a head behind", "an empty line", "chunks", "a body's end",
        "a head as the last body", "the body of one that has its answer", "a head's end and one more",
    ],
)  # fmt: skip
async def test_pieces_are_no_requests(pieces: list[bytes]) -> None:
    await assert_mean_what_they_say(pieces)


async def test_two_pieces_of_whatever_mean_what_they_say() -> None:
    parts = (KNOWN, b"abc", GOT, b"\r\n")
    pieces = [*parts, *map(b"".join, itertools.product(parts, repeat=2))]
    for pair in itertools.product(pieces, repeat=2):
        await assert_mean_what_they_say(pair)


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
