"""`paywall serve --workers`: one socket, several processes, none of which is missed."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AccessEntry
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.e2e.test_faults import in_flight, on_postgresql, publish, writers_wait
from tests.forked import processes
from tests.patience import PATIENCE, wait_for
from tests.processes import Workers, serving_workers

pytestmark = [processes, on_postgresql]


@pytest.fixture
async def articles(database: Database, settings: Settings, clocks: MovingClocks) -> None:
    await publish(database, settings, clocks)


@pytest.fixture
def served(articles: None, settings: Settings) -> Iterator[Workers]:
    with serving_workers(settings, 2, PAYWALL_COOKIELESS_UNLOCKS_PER_DAY="0") as made:
        yield made


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def answered(served: Workers) -> bool:
    """Whether a new connection is answered."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        with contextlib.suppress(httpx2.TransportError):
            return (await client.get(f"{served.url}/healthz")).status_code == 200
    return False


async def unlocks(served: Workers) -> float:
    """What /metrics says was answered to unlocking with an article, by whichever worker."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        figures = (await client.get(f"{served.url}/metrics")).text
    found = re.findall(r"^paywall_unlocks_total\{.*\} (\S+)$", figures, re.MULTILINE)
    assert (
        len(
            re.findall(r"^paywall_channel_good\{channel=\"database\"\} 1.0$", figures, re.MULTILINE)
        )
        == 1
    )
    return sum(float(each) for each in found)


async def unlock_from_everywhere(served: Workers, count: int) -> None:
    async def one() -> None:
        async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE) as client:
            assert (await client.post("/v1/articles/a/unlock")).status_code == 200

    await asyncio.gather(*(one() for _ in range(count)))


async def test_a_killed_worker_is_replaced_and_what_was_counted_stays(served: Workers) -> None:
    before = served.pids()
    assert len(before) == 2
    victim, survivor = before
    await unlock_from_everywhere(served, 40)
    assert {await unlocks(served) for _ in range(10)} == {40}
    os.kill(victim, signal.SIGKILL)
    await wait_for(lambda: served.logged("worker.ended"), "the end of the worker is told")
    assert await answered(served)
    (told,) = served.logged("worker.ended")
    assert (told["pid"], told["by"]) == (victim, "SIGKILL")
    await wait_for(lambda: len(served.pids()) == 2, "another takes its place")
    assert served.pids() & before == {survivor}
    # Now only new ones can answer: they have taken over what their predecessors counted.
    os.kill(survivor, signal.SIGKILL)
    await wait_for(lambda: len(served.logged("worker.ended")) == 2, "the other's end is told")
    await unlock_from_everywhere(served, 1)
    assert await unlocks(served) == 41


async def test_sigterm_lets_all_workers_finish(served: Workers, database: Database) -> None:
    pids = served.pids()
    async with contextlib.AsyncExitStack() as opened:
        clients = [
            await opened.enter_async_context(
                httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE)
            )
            for _ in range(8)
        ]
        async with writers_wait(database):
            reads = [await in_flight(client, "/v1/articles/a/unlock") for client in clients]
            await wait_for(served.has_read_all, "the workers have read every request")
            served.handle.send_signal(signal.SIGTERM)
            while await answered(served):
                pass
            assert served.handle.poll() is None
            assert not any(read.done() for read in reads)
        assert {(await read).status_code for read in reads} == {200}
    assert await asyncio.to_thread(served.handle.wait) == -signal.SIGTERM
    assert not any(alive(pid) for pid in pids)
    async with database.reading() as session:
        counted = select(func.count()).where(AccessEntry.consumed)
        assert await session.scalar(counted) == len(clients)


async def test_workers_end_with_their_supervisor(served: Workers) -> None:
    pids = served.pids()
    served.handle.kill()
    await wait_for(lambda: not any(alive(pid) for pid in pids), "the workers end")
