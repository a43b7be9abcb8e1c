"""`paywall serve`, or one of its workers, is killed while readers unlock articles: what was answered as
counted is on disk.
"""

import asyncio
import os
import random
import signal
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import httpx2
from sqlalchemy import select

from service.clock import Clocks
from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.session import Database
from service.db.tables import AccessEntry, MeterWindow
from service.identity.devices import HEADER, device_key, new_device_id
from service.metering.store import device_holder
from service.rules.in_force import InForce
from service.settings import Settings
from tests.forked import command
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.processes import environment, serving_workers, wait_until_ready

READERS, LIMIT = 16, 3
ANSWERS = READERS * LIMIT + 1, 200
"""Before a kill: by then one reader at least has met the limit."""
SLUGS = [f"a-{number}" for number in range(LIMIT + 2)]


async def _publish(settings: Settings) -> dict[str, str]:
    """Articles; their slugs by their ids."""
    database = Database(settings.database_url)
    ids = {}
    async with database.transaction() as session:
        for slug in SLUGS:
            body = ArticleIn.model_validate({"title": slug, "body": "<p>A</p><!--more--><p>B</p>"})
            made = await store_prepared(
                session, prepare(slug, body, InForce.by_default(settings)), if_match=None, actor="test",
                now=Clocks().business(),
            )  # fmt: skip
            ids[made.article.id] = slug
    await database.dispose()
    return ids


class _Readers:
    """Devices that unlock everything, and what they were granted by the meter."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._key = device_key(settings)
        self._url = url
        self.granted: defaultdict[str, set[str]] = defaultdict(set)
        self._wanted = 0
        self._killed = False
        self.enough = asyncio.Event()

    def want(self, answers: int) -> None:
        """Let `enough` be set after as many answers."""
        self._wanted = answers
        self._killed = False
        self.enough = asyncio.Event()

    def stop(self) -> None:
        """Let those who still get answers come to an end."""
        self._killed = True

    async def read_until_killed(self) -> None:
        async with httpx2.AsyncClient(base_url=self._url, timeout=PATIENCE) as client:
            await asyncio.gather(
                *(self._read(client) for _ in range(READERS)), return_exceptions=True
            )

    async def _read(self, client: httpx2.AsyncClient) -> None:
        while not self._killed:
            device = new_device_id(Clocks().wall())
            headers = {HEADER: self._key.sign(device)}
            for slug in SLUGS:
                answer = await client.post(f"/v1/articles/{slug}/unlock", headers=headers)
                self._wanted -= 1
                if not self._wanted:
                    self.enough.set()
                if answer.status_code == 200:
                    self.granted[device_holder(device)].add(slug)


async def _check(settings: Settings, slugs: dict[str, str], readers: _Readers) -> None:
    database = Database(settings.database_url)
    # In one look: a server may still be at what a killed process had asked of it.
    async with database.slow_reading("reports") as session:
        windows = (await session.execute(select(MeterWindow.holder, MeterWindow.counted))).all()
        rows = await session.execute(
            select(AccessEntry.holder, AccessEntry.article_id).where(AccessEntry.consumed)
        )
        recorded = sorted((holder, slugs[article]) for holder, article in rows.all())
    await database.dispose()
    counted = {holder: [slugs[each] for each in articles] for holder, articles in windows}
    assert max(len(each) for each in counted.values()) == LIMIT
    # A count and its row are in one transaction; what was answered is in both.
    assert recorded == sorted((holder, slug) for holder, each in counted.items() for slug in each)
    for holder, granted in readers.granted.items():
        assert granted <= set(counted[holder])


def survive(settings: Settings, number: int, kills: int) -> None:
    """Kill as often, after as many answers as the seed `number` gives; each process is full of reads."""
    chance = random.Random(number)  # noqa: S311 repeatable
    slugs = asyncio.run(_publish(settings))
    port = free_port()
    readers = _Readers(settings, f"http://127.0.0.1:{port}")
    variables = {**environment(settings), "PAYWALL_COOKIELESS_UNLOCKS_PER_DAY": "0"}
    for _ in range(kills):
        with command("serve", "--port", str(port), environment=variables) as process:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
            asyncio.run(_read_and_kill(readers, process.kill, chance.randrange(*ANSWERS)))
            assert process.wait() == -signal.SIGKILL
    asyncio.run(_check(settings, slugs, readers))


def survive_workers(settings: Settings, number: int, kills: int) -> None:
    """Kill one of two workers as often; the other reads on, and another takes the place."""
    chance = random.Random(number)  # noqa: S311 repeatable
    slugs = asyncio.run(_publish(settings))
    with serving_workers(settings, 2, PAYWALL_COOKIELESS_UNLOCKS_PER_DAY="0") as served:
        readers, killed = _Readers(settings, served.url), set[int]()
        for _ in range(kills):
            # One that was killed may still be dying.
            wait_until(lambda: len(served.pids() - killed) == 2, "there are two workers")
            pid = chance.choice(sorted(served.pids() - killed))
            killed.add(pid)
            kill = partial(os.kill, pid, signal.SIGKILL)
            asyncio.run(_read_and_kill(readers, kill, chance.randrange(*ANSWERS)))
            assert httpx2.get(f"{served.url}/healthz", timeout=PATIENCE).status_code == 200
    asyncio.run(_check(settings, slugs, readers))


async def _read_and_kill(readers: _Readers, kill: Callable[[], None], answers: int) -> None:
    readers.want(answers)
    reading = asyncio.create_task(readers.read_until_killed())
    enough = asyncio.create_task(readers.enough.wait())
    await asyncio.wait({enough, reading}, return_when=asyncio.FIRST_COMPLETED)
    assert enough.done()
    kill()
    readers.stop()
    await reading
