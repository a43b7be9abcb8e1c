"""Reading under load, beside the ceilings of the same machine: the table of docs/performance.md.

Rounds of raw ASGI, bare FastAPI and the service take turns, so that a slow minute meets all three.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import httpx2
from pydantic import SecretStr

from service.clock import Clocks
from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db import migrate
from service.db.session import Database
from service.grants.grants import Source
from service.grants.store import put_grant
from service.identity.cookies import cookie_name
from service.identity.devices import HEADER, device_key, new_device_id
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.rules.in_force import InForce
from service.settings import Settings
from tests.bench.load import Figures, Request, load
from tests.bench.plain import Answer
from tests.forked import without_settings
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.processes import environment

READ = "the-harbour"
PAID = "the-ledger"
OTHERS = ("the-mole", "the-quay", "the-lighthouse")
SENTENCE = "The harbour board met again on Tuesday and put the dredging off for another year. "
BODY = f"<p>{SENTENCE * 3}</p><!--more-->" + f"<p>{SENTENCE * 8}</p>" * 10
UNLOCK = f"/v1/articles/{READ}/unlock"
QUIET = '{"token": false}'
Requests = Callable[[], Sequence[Request]]


@dataclass(frozen=True)
class Route:
    """One row: what is sent anew in each round, and the target of its ratio to raw ASGI."""

    name: str
    requests: Requests
    target: float


@dataclass
class Measured:
    """The rounds of one route."""

    raw: list[Figures] = field(default_factory=list)
    bare: list[Figures] = field(default_factory=list)
    service: list[Figures] = field(default_factory=list)

    def ratio(self, other: list[Figures]) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.service, other, strict=True)
        return median(ours.rate / theirs.rate for ours, theirs in pairs)

    @property
    def cpu_ratio(self) -> float:
        """The same of the processor time that raw ASGI and the service take for one request."""
        pairs = zip(self.service, self.raw, strict=True)
        return median(theirs.cpu / ours.cpu for ours, theirs in pairs)


def settings_of(url: str, port: int) -> Settings:
    return Settings(
        _env_file=None,
        database_url=url,
        secret_key=SecretStr("a-secret-key-for-benches-of-enough-length"),
        public_url=f"http://127.0.0.1:{port}",
        insecure_cookies=True,
        publication="gazette",
    )


async def furnish(settings: Settings) -> None:
    """An empty database with the articles that are read."""
    await migrate.prepare(settings.database_url)
    database = Database(settings.database_url)
    async with database.transaction() as session:
        for slug in (READ, *OTHERS, PAID):
            level = "subscribers" if slug == PAID else "metered"
            document = {"title": slug, "body": BODY, "access": {"level": level}}
            body = ArticleIn.model_validate(document)
            prepared = prepare(slug, body, InForce.by_default(settings))
            await store_prepared(
                session, prepared, if_match=None, actor="bench", now=datetime.now(UTC)
            )
    await database.dispose()


async def sign_in(settings: Settings, source: Source, scopes: Sequence[str]) -> str:
    """A reader with grants of these scopes, signed in; the session's token."""
    database, clocks = Database(settings.database_url), Clocks()
    async with database.transaction() as session:
        reader = await create_reader(session, email=None, clocks=clocks)
        for scope in scopes:
            await put_grant(
                session, source=source, reference=f"{reader.id}/{scope}", reader_id=reader.id, scope=scope,
                starts_at=clocks.business(), ends_at=None, now=clocks.business(),
            )  # fmt: skip
        opened = await open_session(
            session, reader_id=reader.id, now=clocks.wall(), settings=settings
        )
    await database.dispose()
    return opened.token


@contextlib.contextmanager
def started(*arguments: str, port: int, **variables: str) -> Iterator[int]:
    """The server that this command runs, leader of a session of its own, once it answers."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command, env={**without_settings(), **variables}, start_new_session=True
    ) as server:

        def answers() -> bool:
            if server.poll() is not None:
                raise RuntimeError("a server of the bench ended; its words are above")
            asking = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            with contextlib.suppress(OSError), contextlib.closing(asking):
                asking.request("GET", "/readyz")
                return asking.getresponse().status > 0
            return False

        try:
            until = time.monotonic() + PATIENCE
            while not answers():
                if time.monotonic() > until:
                    raise TimeoutError("a server of the bench doesn't answer")
                # Short, and asked by a light client: how long a start takes is a row of the bench.
                time.sleep(0.005)
            yield server.pid
        finally:
            server.terminate()


class Readers:
    """Devices that the service knows as its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = device_key(settings)
        self._url = settings.public_url

    def subscriber(self) -> tuple[tuple[str, str], ...]:
        """What a new subscriber's browser sends."""
        return self.signed_in("subscription", ["everything"])

    def signed_in(self, source: Source, scopes: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """The same of a reader with grants of these scopes."""
        token = asyncio.run(sign_in(self._settings, source, scopes))
        return self.device(), ("Cookie", f"{cookie_name('session', self._settings)}={token}")

    def device(self) -> tuple[str, str]:
        return HEADER, self._key.sign(new_device_id(Clocks().wall()))

    def send(self, request: Request) -> httpx2.Response:
        return httpx2.request(
            request.method, self._url + request.path, content=request.body, timeout=PATIENCE,
            headers=[
                *request.headers, ("Content-Type", "application/json"), ("Accept-Encoding", "identity"),
            ],
        )  # fmt: skip

    def having_read(self, *slugs: str) -> tuple[str, str]:
        device = self.device()
        for slug in slugs:
            answer = self.send(Request("POST", f"/v1/articles/{slug}/unlock", (device,), QUIET))
            assert answer.status_code == 200, answer.text
        return device


HOT_ROUTES = 8


def routes_of(readers: Readers, seconds: int) -> tuple[Route, ...]:
    """The rows of docs/performance.md."""
    walled = Request("POST", UNLOCK, (readers.having_read(*OTHERS),), QUIET)
    reader = readers.having_read(READ)
    unlocked = readers.send(Request("POST", UNLOCK, (reader,), "{}")).json()
    bearer = ("Authorization", f"Bearer {unlocked['token']}")

    subscriber = readers.subscriber()

    def new_reads(body: str, slug: str = READ) -> Requests:
        # Every one is another reader's first, so there are more than any server can answer.
        most, path = 20_000 * seconds, f"/v1/articles/{slug}/unlock"
        return lambda: [Request("POST", path, (readers.device(),), body) for _ in range(most)]

    routes = (
        Route("teaser", lambda: [Request("GET", f"/v1/articles/{READ}")], 0.8),
        Route("full, by a token", lambda: [Request("GET", f"/v1/articles/{READ}/full", (bearer,))], 0.8),
        Route("unlock, walled", lambda: [walled], 0.55),
        Route("unlock, walled, another reader each", new_reads(QUIET, PAID), 0.55),
        Route("unlock, read again", lambda: [Request("POST", UNLOCK, (reader,), "{}")], 0.55),
        Route("unlock, a subscriber's", lambda: [Request("POST", UNLOCK, subscriber, "{}")], 0.55),
        Route("unlock, a new counted read", new_reads(QUIET), 0.33),
        Route("unlock, a new counted read with its token", new_reads("{}"), 0.25),
    )  # fmt: skip
    assert len(routes) == HOT_ROUTES
    return routes


def measure(
    route: Route, readers: Readers, service: tuple[int, int], folder: Path, given: "Given"
) -> Measured:
    """All rounds of one route. `service`: its port and the leader of its processes."""
    requests = route.requests()
    answered = readers.send(requests[0])
    kept = ("content-type", "cache-control", "etag", "vary", "content-length")
    named = tuple((name, answered.headers[name]) for name in kept if name in answered.headers)
    answer = Answer(requests[0].method, answered.status_code, named, answered.content)
    file = folder / "answer"
    answer.save(file)
    measured = Measured()
    with contextlib.ExitStack() as running:
        servers = {}
        for kind in ("raw", "bare"):
            port = free_port()
            leader = running.enter_context(
                started(
                    "tests.bench.plain", kind, str(port), str(file), str(given.workers), port=port
                )
            )
            servers[kind] = port, leader

        def round_of(where: tuple[int, int], sent: Sequence[Request]) -> Figures:
            return load(*where, sent, seconds=given.seconds, connections=given.connections)

        for _ in range(given.rounds):
            measured.raw.append(round_of(servers["raw"], requests[:1]))
            measured.bare.append(round_of(servers["bare"], requests[:1]))
            measured.service.append(round_of(service, route.requests()))
    return measured


@dataclass(frozen=True)
class Given:
    """How long and how hard: seconds of a round, rounds, connections, serving processes."""

    seconds: int
    rounds: int
    connections: int
    workers: int = 1


@contextlib.contextmanager
def serving(
    url: str, *, workers: int = 1, module: Sequence[str] = ("service",)
) -> Iterator[tuple[Settings, int]]:
    """A furnished service on the database, and the leader of its processes. `module` runs it."""
    port = free_port()
    settings = settings_of(url, port)
    asyncio.run(furnish(settings))
    variables = {**environment(settings), "PAYWALL_COOKIELESS_UNLOCKS_PER_DAY": "0"}
    command = [*module, "serve", "--port", str(port), "--workers", str(workers)]
    with started(*command, port=port, **variables) as leader:
        yield settings, leader


def port_of(settings: Settings) -> int:
    return int(settings.public_url.rpartition(":")[2])


def bench(url: str, folder: Path, given: Given, say: Callable[[str], None]) -> None:
    """Measure every route of one service on the database and say each one's row."""
    with serving(url, workers=given.workers) as (settings, leader):
        readers = Readers(settings)
        for route in routes_of(readers, given.seconds):
            measured = measure(route, readers, (port_of(settings), leader), folder, given)
            say(row(route, measured))


HEAD = (
    "| route | ÷ raw ASGI | by CPU | target | ÷ bare FastAPI | requests/s | p50 ms | p99 ms | server CPU ms |",
    "|---|---|---|---|---|---|---|---|---|",
)


def row(route: Route, measured: Measured) -> str:
    ours = measured.service
    shown = (
        route.name,
        f"{measured.ratio(measured.raw):.3f}",
        f"{measured.cpu_ratio:.3f}",
        f"{route.target}",
        f"{measured.ratio(measured.bare):.2f}",
        f"{median(each.rate for each in ours):,.0f}",
        f"{median(each.p50 for each in ours):.1f}",
        f"{median(each.p99 for each in ours):.1f}",
        f"{median(each.cpu for each in ours):.2f}",
    )
    return f"| {' | '.join(shown)} |"
