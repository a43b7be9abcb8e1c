"""The meter under concurrency, over real HTTP: one process on SQLite, two on PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AccessEntry
from service.identity.devices import HEADER
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.keys import create_api_key
from tests.processes import serving_processes

pytestmark = [pytest.mark.xdist_group("processes")]
MANY = 50


@dataclass
class Readers:
    """Clients that ask the processes in turn, all as one device."""

    client: httpx2.AsyncClient
    urls: list[str]
    database: Database
    device: str = ""

    async def unlock(self, slug: str, turn: int = 0) -> httpx2.Response:
        headers = {HEADER: self.device} if self.device else {}
        url = self.urls[turn % len(self.urls)]
        self.client.cookies.clear()
        return await self.client.post(f"{url}/v1/articles/{slug}/unlock", headers=headers)

    async def consumed(self) -> int:
        async with self.database.reading() as session:
            return await session.scalar(select(func.count()).where(AccessEntry.consumed)) or 0


@pytest.fixture
async def readers(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Readers]:
    """A device with one free article left."""
    async with database.transaction() as session:
        key = await create_api_key(session, label="t", scopes=["articles:write"], now=clocks.wall())
    count = 1 if database.dialect == "sqlite" else 2
    with serving_processes(settings, count) as processes:
        async with httpx2.AsyncClient(timeout=60) as client:
            made = Readers(client, [process.url for process in processes], database)
            for slug in ("a", "b", *(f"p{number}" for number in range(MANY))):
                answer = await client.put(
                    f"{made.urls[0]}/v1/admin/articles/{slug}",
                    json={"title": slug, "body": "<p>One</p><!--more--><p>Two</p>"},
                    headers={"Authorization": f"Bearer {key}"},
                )
                assert answer.status_code == 201
            made.device = (await made.unlock("a")).json()["device_token"]
            assert (await made.unlock("b")).json()["meter"]["remaining"] == 1
            yield made


async def test_one_of_many_articles_gets_the_last_place(readers: Readers) -> None:
    asked = (readers.unlock(f"p{turn}", turn) for turn in range(MANY))
    answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 402: MANY - 1}
    assert {answer.json()["meter"]["used"] for answer in answers if answer.status_code == 402} == {
        3
    }
    passed = next(slug for slug, answer in enumerate(answers) if answer.status_code == 200)
    for turn in range(2):
        again = (await readers.unlock(f"p{passed}", turn)).json()
        assert (again["consumed"], again["meter"]["used"]) == (False, 3)
    assert await readers.consumed() == 3


async def test_one_article_asked_for_many_times_counts_once(readers: Readers) -> None:
    answers = await asyncio.gather(*(readers.unlock("p0", turn) for turn in range(MANY)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["consumed"] for answer in answers) == 1
    assert await readers.consumed() == 3
    assert (await readers.unlock("p1")).status_code == 402
