"""Two workers under load: the database falls silent, more callers come than can be answered, and what is changed
meanwhile is in force everywhere.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from service.clock import Clocks
from service.db.session import Database
from service.identity.devices import HEADER, device_key, new_device_id
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.e2e.test_faults import on_postgresql, publish
from tests.forked import processes
from tests.inside import inside
from tests.patience import PATIENCE, wait_for
from tests.processes import Workers, serving_workers
from tests.severed import line_to

pytestmark = [processes, on_postgresql]
FULL, UNLOCK = "/v1/articles/a/full", "/v1/articles/a/unlock"
FLOOD, SILENT_FLOOD = 2_000, 400
"""Some hundreds wait together for a silent database, and all others one batch after the other."""
NEW = 30
"""Readers who come at a time."""
WITHOUT_NETWORK_LIMIT = {"PAYWALL_COOKIELESS_UNLOCKS_PER_DAY": "0"}


@dataclass
class Load:
    """Callers that go on until they are stopped, and what they were answered."""

    served: Workers
    settings: Settings
    new: list[httpx2.Response] = field(default_factory=list)
    known: list[httpx2.Response] = field(default_factory=list)
    lost: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def client(self) -> httpx2.AsyncClient:
        """With one connection that is kept, and so with one worker."""
        return httpx2.AsyncClient(
            base_url=self.served.url, timeout=PATIENCE, limits=httpx2.Limits(max_connections=1)
        )

    def device(self) -> dict[str, str]:
        return {HEADER: device_key(self.settings).sign(new_device_id(Clocks().wall()))}

    async def begin(self, known: int, new: int) -> None:
        """Let readers who have begun read on, and new ones come."""
        ready = [asyncio.Event() for _ in range(known)]
        self._tasks = [
            *(asyncio.create_task(self._read_on(each)) for each in ready),
            *(asyncio.create_task(self._come()) for _ in range(new)),
        ]
        await asyncio.gather(*(each.wait() for each in ready))

    async def _read_on(self, ready: asyncio.Event) -> None:
        device = self.device()
        async with self.client() as client:
            opened = await client.post(UNLOCK, headers=device)
            bearer = {"Authorization": f"Bearer {opened.json()['token']}"}
            calls: list[Callable[[], Awaitable[httpx2.Response]]] = [
                lambda: client.get("/v1/articles/a"),
                lambda: client.get(FULL, headers=bearer),
                lambda: client.post(UNLOCK, headers=device),
            ]
            while True:
                for call in calls:
                    self.known.append(await call())
                ready.set()
                await asyncio.sleep(0.02)

    async def _come(self) -> None:
        async with self.client() as client:
            while True:
                self.new.append(await client.post(UNLOCK, headers=self.device()))
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome


@pytest.fixture
async def articles(database: Database, settings: Settings, clocks: MovingClocks) -> None:
    await publish(database, settings, clocks)


def resident(pids: set[int]) -> int:
    """MiB of all of them."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * 4096 // 2**20


def statuses(answers: list[httpx2.Response]) -> set[int]:
    return {answer.status_code for answer in answers}


async def test_a_silent_database_stops_new_counts_alone(articles: None, settings: Settings) -> None:
    async with line_to(settings.database_url) as (line, url), contextlib.AsyncExitStack() as held:
        through = settings.model_copy(update={"database_url": url})
        workers = serving_workers(through, 2, **WITHOUT_NETWORK_LIMIT)
        served = await asyncio.to_thread(workers.__enter__)
        held.push_async_callback(asyncio.to_thread, workers.__exit__, None, None, None)
        load = Load(served, through)
        await load.begin(known=6, new=NEW)
        await wait_for(lambda: len(load.new) > 100, "new readers are counted")
        assert statuses(load.new) == statuses(load.known) == {200}
        before = resident(served.pids())

        line.become("silent")
        load.new.clear()
        load.known.clear()

        def refused() -> list[httpx2.Response]:
            return [answer for answer in load.new if answer.status_code != 200]

        await wait_for(lambda: len(refused()) >= NEW, "new readers are told to come again")
        assert statuses(refused()) == {503}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused())
        # What this process has seen is given again without asking.
        await wait_for(lambda: len(load.known) > 50, "those who have begun read on")
        assert statuses(load.known) == {200}
        assert resident(served.pids()) < before + 40

        line.become("open")
        async with asyncio.timeout(PATIENCE):
            back = 0
            while back < 50:
                load.new.clear()
                await wait_for(lambda: len(load.new) >= NEW, "more answers")
                back = back + NEW if statuses(load.new) == {200} else 0
        await load.end()
        assert statuses(load.known) == {200}


async def answer_of(served: Workers, request: bytes) -> tuple[int, bytes]:
    """Over a connection of its own: the status, and the whole answer."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    try:
        answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer


def open_files(pids: set[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


async def answers_to_all(load: Load, count: int) -> Counter[int]:
    """As many readers at once, each on a connection of its own; how many answers of each status."""

    def request() -> bytes:
        [(name, value)] = load.device().items()
        lines = (
            f"POST {UNLOCK} HTTP/1.1", "Host: a", f"{name}: {value}", "Content-Length: 0",
            "Connection: close", "", "",
        )  # fmt: skip
        return "\r\n".join(lines).encode()

    answers = await asyncio.gather(*(answer_of(load.served, request()) for _ in range(count)))
    refused = [answer for status, answer in answers if status == 503]
    assert all(b"\r\nretry-after: " in answer.lower() for answer in refused)
    return Counter(status for status, _ in answers)


async def test_a_flood_leaves_nothing_behind(articles: None, settings: Settings) -> None:
    """Two thousand connections at once, while the database answers and while it is silent."""
    async with line_to(settings.database_url) as (line, url), contextlib.AsyncExitStack() as held:
        through = settings.model_copy(update={"database_url": url})
        workers = serving_workers(through, 2, **WITHOUT_NETWORK_LIMIT)
        served = await asyncio.to_thread(workers.__enter__)
        held.push_async_callback(asyncio.to_thread, workers.__exit__, None, None, None)
        load, pids = Load(served, through), served.pids()
        await answers_to_all(load, FLOOD)  # what grows at the first time only has grown
        files, size = open_files(pids), resident(pids)

        answered = await answers_to_all(load, FLOOD)
        assert answered.keys() <= {200, 503}
        assert answered[200] > 0
        line.become("silent")
        assert await answers_to_all(load, SILENT_FLOOD) == {503: SILENT_FLOOD}
        line.become("open")
        await wait_for(lambda: open_files(pids) <= files + 10, "all connections are closed")
        assert resident(pids) < size + 60
        async with asyncio.timeout(PATIENCE), load.client() as client:
            while (await client.post(UNLOCK, headers=load.device())).status_code != 200:
                pass
        assert served.pids() == pids


WATCHERS, LOOKS = 12, 3
"""Connections of both workers, and how often each has to see what is new before it is believed."""


@dataclass
class Watched:
    """What a caller sees in one look at everything."""

    teaser: bytes
    known: int
    new: int
    bearer: int


async def watch(
    load: Load, seen: deque[Watched], device: dict[str, str], bearer: dict[str, str]
) -> None:
    async with load.client() as client:
        while True:
            teaser = await client.get("/v1/articles/a")
            known = await client.post(UNLOCK, headers=device)
            new = await client.post(UNLOCK, headers=load.device())
            full = await client.get("/v1/articles/b/full", headers=bearer)
            statuses = known.status_code, new.status_code, full.status_code
            seen.append(Watched(teaser.content, *statuses))
            await asyncio.sleep(0.05)


async def test_what_is_changed_is_in_force_in_every_process(
    database: Database, settings: Settings
) -> None:
    """A title, a limit, a rule, a level and a session, by another process than those that are asked. How soon,
    tests/test_in_force.py shows.
    """
    clocks = MovingClocks(datetime.now(UTC))
    async with inside(database, settings, clocks) as office, contextlib.AsyncExitStack() as held:
        for slug in ("a", "b"):
            await office.publish(slug)
        await office.sign_in("everything")
        bearer = {"Authorization": f"Bearer {await office.access_token()}"}
        workers = serving_workers(settings, 2, **WITHOUT_NETWORK_LIMIT)
        served = await asyncio.to_thread(workers.__enter__)
        held.push_async_callback(asyncio.to_thread, workers.__exit__, None, None, None)
        load = Load(served, settings)
        await load.begin(known=4, new=10)
        device = load.device()
        seen = [deque[Watched](maxlen=LOOKS) for _ in range(WATCHERS)]
        watching = [asyncio.create_task(watch(load, each, device, bearer)) for each in seen]

        def all_seen() -> list[Watched]:
            return [look for each in seen for look in each]

        async def becomes(change: Awaitable[object], is_new: Callable[[Watched], bool]) -> None:
            await change
            await wait_for(lambda: all(map(is_new, all_seen())), "it is seen")

        await wait_for(lambda: len(all_seen()) == WATCHERS * LOOKS, "everybody reads")
        assert {(each.known, each.new, each.bearer) for each in all_seen()} == {(200, 200, 200)}
        title = office.publish("a", title="Dredging begins")
        await becomes(title, lambda each: b"Dredging begins" in each.teaser)

        def rules(level: str = "metered", anonymous: int = 3) -> Awaitable[object]:
            meter = {"window": "month", "anonymous": anonymous, "registered": 5}
            document = {"levels": {"default": {"level": level}}, "meter": meter}
            return office.client.put("/v1/admin/rules", json=document, headers=office.staff)

        await becomes(rules(anonymous=0), lambda each: each.new == 402)
        assert {each.known for each in all_seen()} == {200}  # what was read stays open
        await becomes(rules(anonymous=3), lambda each: each.new == 200)
        await becomes(rules("subscribers"), lambda each: each.known == 402)
        await becomes(rules("metered"), lambda each: each.known == 200)
        closed = office.publish("a", access={"level": "subscribers"})
        await becomes(closed, lambda each: each.known == 402)
        out = office.client.delete("/v1/session")
        await becomes(out, lambda each: each.bearer == 401)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await load.end()
