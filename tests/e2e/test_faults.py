"""What happens when the database goes away, and when the process is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.unlock_tokens import UnlockTokens
from service.content.cache import ArticleCache
from service.content.store import content_version
from service.db.session import LONGEST_LOOK_SECONDS, Database
from service.db.tables import AccessEntry
from service.identity.cookies import cookie_name
from service.identity.secrets import new_secret
from service.problems import Problem
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.forked import processes
from tests.inside import CANARY, Paywall, inside
from tests.patience import PATIENCE, wait_for
from tests.ports import free_port
from tests.processes import Process, serving_processes
from tests.severed import Line, State, line_to

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass
class Severable:
    line: Line
    paywall: Paywall

    async def ready(self) -> tuple[int, dict[str, str]]:
        answer = await self.paywall.client.get("/readyz")
        return answer.status_code, answer.json()["checks"]


@pytest.fixture
async def severable(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Severable]:
    async with line_to(settings.database_url) as (line, url):
        through = settings.model_copy(update={"database_url": url})
        async with inside(database, through, clocks, background=True) as paywall:
            await paywall.publish("a")
            await paywall.publish("b")
            await paywall.publish("free", access={"level": "free"})
            await articles_settle(database, paywall)
            yield Severable(line, paywall)
            line.become("open")


async def articles_settle(database: Database, paywall: Paywall) -> None:
    """Wait until the cache knows of what was published: it drops its copies when it hears of it."""
    async with database.reading() as session:
        version = await content_version(session)
    cache = paywall.app.running.get(ArticleCache)
    await wait_for(lambda: cache._version == version, "the cache knows the newest version")


async def readers_see_pages(paywall: Paywall) -> None:
    """Of an article that is in memory the preview, else what has happened; of a free one all."""
    pages = (("/", "Our articles are unavailable"), ("/articles/b", "Opening of b"))
    asked = [(path, method, words) for path, words in pages for method in ("GET", "POST")]
    for path, method, words in asked[:1] + asked[2:]:
        answer = await paywall.client.request(method, path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
        assert words in answer.text
        assert CANARY not in answer.text
    cookie = {"Cookie": f"{cookie_name('operator', paywall.settings)}={new_secret()}"}
    staff = await paywall.client.get("/admin", headers=cookie)
    assert staff.status_code == 503
    assert "<h1>The database can&#39;t be reached</h1>" in staff.text
    free = await paywall.client.get("/articles/free")
    assert free.status_code == 200
    assert CANARY in free.text


@on_postgresql
@pytest.mark.parametrize("state", ["cut", "starting"])
async def test_the_database_goes_away_and_comes_back(severable: Severable, state: State) -> None:
    paywall = severable.paywall
    opened = (await paywall.unlock("a")).json()
    await paywall.full("a", opened["token"])
    for slug in ("b", "free"):
        await paywall.client.get(f"/v1/articles/{slug}")
    assert (await severable.ready())[0] == 200

    severable.line.become(state)
    for _ in range(3):
        answer = await paywall.unlock("b")
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/database-unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        assert "Two" not in answer.text
    await readers_see_pages(paywall)
    status, checks = await severable.ready()
    assert (status, checks["database"]) == (503, "The database can't be reached")
    # What is held in memory is still served: teasers, and the text to who holds a token.
    assert (await paywall.client.get("/healthz")).status_code == 200
    assert (await paywall.client.get("/v1/articles/b")).status_code == 200
    assert (await paywall.full("a", opened["token"])).status_code == 200

    severable.line.become("open")
    async with asyncio.timeout(PATIENCE):
        while (await paywall.unlock("b")).status_code != 200:
            pass
    assert (await severable.ready())[0] == 200
    counted = [row.article_id for row in await paywall.ledger() if row.consumed]
    assert len(counted) == len(set(counted)) == 2


@on_postgresql
async def test_a_server_that_falls_silent_holds_nobody_for_ever(database_url: str) -> None:
    async with line_to(database_url) as (line, url):
        database = Database(url, patience=2)

        async def answers() -> bool:
            with contextlib.suppress(Problem):
                async with database.reading() as session:
                    return bool(await session.scalar(text("SELECT 1")) == 1)
            return False  # a busy machine may take longer to connect

        async with asyncio.timeout(PATIENCE):
            while not await answers():
                pass
        line.become("silent")

        async def ask(session: AbstractAsyncContextManager[AsyncSession]) -> None:
            with pytest.raises(Problem, match="database-unavailable"):
                async with asyncio.timeout(PATIENCE), session as asked:
                    await asked.execute(text("SELECT 1"))

        async def batch(
            write: Callable[[Callable[[Connection], object]], Awaitable[object]],
        ) -> None:
            with pytest.raises(Problem, match="database-unavailable"):
                async with asyncio.timeout(PATIENCE):
                    await write(lambda connection: connection.execute(text("SELECT 1")))

        await asyncio.gather(
            ask(database.reading()), ask(database.transaction()),
            batch(database.in_one_go), batch(database.by_statement),
        )  # fmt: skip
        line.become("open")
        async with asyncio.timeout(PATIENCE):
            while not await answers():
                pass
        await database.dispose()


@on_postgresql
async def test_who_watches_isnt_held_up_by_a_silent_server(severable: Severable) -> None:
    client = severable.paywall.client
    assert (await severable.ready())[0] == 200
    assert "paywall_jobs_held" in (await client.get("/metrics")).text
    severable.paywall.clocks.travel(timedelta(minutes=2))  # nothing is fresh any more
    severable.line.become("silent")
    async with asyncio.timeout(
        LONGEST_LOOK_SECONDS + 5
    ):  # a statement may take 15, and there are many
        ready, figures, alive = await asyncio.gather(
            *map(client.get, ("/readyz", "/metrics", "/healthz"))
        )
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.json()["channels"]["database"]["state"] != "ok"
    assert figures.status_code == 200
    assert 'paywall_channel_good{channel="database"} 0.0' in figures.text
    severable.line.become("open")
    async with asyncio.timeout(PATIENCE):
        while (await severable.ready())[0] != 200:
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "nowhere.invalid"])
async def test_a_server_that_isnt_there(host: str) -> None:
    database = Database(f"postgresql://x:y@{host}:{free_port()}/x")
    with pytest.raises(Problem, match="database-unavailable"):
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
    await database.dispose()


@on_postgresql
async def test_reads_by_token_wait_in_memory_until_the_database_is_back(
    severable: Severable,
) -> None:
    paywall = severable.paywall
    token = (await paywall.unlock("a")).json()["token"]
    await paywall.full("a", token)
    severable.line.become("cut")
    paywall.clocks.travel(paywall.app.running.get(UnlockTokens).life / 2)
    assert (await paywall.full("a", token)).status_code == 200
    severable.line.become("open")
    assert len([row for row in await paywall.ledger() if row.once]) == 1


@contextlib.asynccontextmanager
async def writers_wait(database: Database) -> AsyncIterator[None]:
    """Hold what every read has to write to, as a slow database would."""
    async with database._writing.connect() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("LOCK TABLE access_ledger IN ACCESS EXCLUSIVE MODE"))
        else:
            await connection.execute(text("SELECT 1"))  # which begins with BEGIN IMMEDIATE
        yield
        await connection.rollback()


async def publish(database: Database, settings: Settings, clocks: MovingClocks) -> None:
    async with inside(database, settings, clocks) as paywall:
        for slug in "ab":
            await paywall.publish(slug)


async def ended(process: Process) -> int:
    return await asyncio.to_thread(process.handle.wait)


async def in_flight(client: httpx2.AsyncClient, path: str) -> "asyncio.Task[httpx2.Response]":
    """A POST that the process has begun to answer."""
    sent = asyncio.Event()

    async def watch(step: str, _: object) -> None:
        if step.endswith("send_request_body.complete"):
            sent.set()

    read = asyncio.create_task(client.post(path, extensions={"trace": watch}))
    await sent.wait()
    # What comes later on another connection is answered: so the process has seen this one, too.
    assert (await client.get("/healthz")).status_code == 200
    return read


def connection_to(process: Process) -> socket.socket:
    parts = urlsplit(process.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE)


def listens(process: Process) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        connection_to(process).close()
        return True
    return False


@processes
async def test_sigterm_finishes_what_is_in_flight(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await publish(database, settings, clocks)
    with serving_processes(settings, 1) as (process,), connection_to(process) as idle:
        async with httpx2.AsyncClient(base_url=process.url, timeout=PATIENCE) as client:
            token = (await client.post("/v1/articles/a/unlock")).json()["token"]
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await client.get("/v1/articles/a/full", headers=bearer)).status_code == 200
            async with writers_wait(database):
                read = await in_flight(client, "/v1/articles/b/unlock")
                process.handle.send_signal(signal.SIGTERM)
                await wait_for(lambda: not listens(process), "it takes nobody new")
                assert process.handle.poll() is None
                assert not read.done()
            answer = await read
            assert (answer.status_code, answer.json()["consumed"]) == (200, True)
        assert await ended(process) == -signal.SIGTERM
        assert idle.recv(100) == b""
    async with database.reading() as session:
        # Two reads that were counted, and the one by token, which was only noted in memory.
        assert await session.scalar(select(func.count()).select_from(AccessEntry)) == 3
