"""A database that falls silent: every route of readers says so in time; one that is only slow is waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from service.db.in_time import LOOKED_AFTER_SECONDS
from service.db.session import LONGEST_SILENCE_SECONDS, Database
from service.identity.declarations import declared_routes
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside
from tests.patience import PATIENCE
from tests.severed import Line, State, line_to

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
LONGEST = LOOKED_AFTER_SECONDS + LONGEST_SILENCE_SECONDS
BUSY = 1.5
"""What a hundred requests at once take in one process on a busy machine."""
NOT_READERS = ("/admin", "/v1/admin", "/metrics", "/readyz")


@asynccontextmanager
async def through_a_line(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[tuple[Line, Paywall]]:
    async with line_to(settings.database_url) as (line, url):
        through = settings.model_copy(update={"database_url": url})
        async with inside(database, through, clocks) as paywall:
            await paywall.publish("a")
            await paywall.sign_in("everything")
            yield line, paywall
            line.become("cut")


def routes_of_readers(paywall: Paywall) -> Iterator[tuple[str, str]]:
    for method, path in sorted(declared_routes(paywall.app.routes)):
        if not path.startswith(NOT_READERS):
            yield method, path.replace("{slug}", "a").replace("{", "").replace("}", "")


@on_postgresql
async def test_every_route_of_readers_answers_in_time(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with through_a_line(database, settings, clocks) as (line, paywall):
        asked = list(routes_of_readers(paywall))
        assert len(asked) > 100
        await paywall.client.get("/articles/a")  # it is in memory, and connections are made
        line.become("silent")

        async def ask(method: str, path: str) -> str | None:
            """What is wrong with the answer, if anything."""
            began = time.monotonic()
            data: dict[str, str] | None = {} if method == "POST" else None
            answer = await paywall.client.request(method, path, data=data)
            took = time.monotonic() - began
            # That nothing is sold here is said at once.
            is_told = answer.status_code != 503 or "Retry-After" in answer.headers or took < 1
            if took < LONGEST + BUSY and is_told and answer.status_code != 500:
                return None
            return f"{method} {path}: {answer.status_code} after {took:.1f} s"

        unlocking = paywall.client.post("/v1/articles/a/unlock", json={"token": False})
        reading = paywall.client.post("/articles/a", headers={"Accept": "text/html"})
        async with asyncio.timeout(PATIENCE):
            asking = asyncio.gather(*(ask(*each) for each in asked))
            unlocked, shown, wrong = await asyncio.gather(unlocking, reading, asking)
        assert [each for each in wrong if each] == []
        assert (unlocked.status_code, shown.status_code) == (503, 503)
        assert unlocked.json()["type"] == "/problems/database-unavailable"
        assert "Opening of a" in shown.text


@on_postgresql
async def test_a_slow_database_is_waited_for(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        await paywall.sign_in("everything")
        async with database.transaction() as session:
            await session.execute(text("LOCK TABLE readers IN ACCESS EXCLUSIVE MODE"))
            asking = asyncio.create_task(paywall.client.get("/v1/me"))
            await asyncio.wait({asking}, timeout=LOOKED_AFTER_SECONDS + 1)
            assert not asking.done()
        assert (await asking).status_code == 200


@on_postgresql
async def test_whether_it_is_silent(database: Database, settings: Settings) -> None:
    async with line_to(settings.database_url) as (line, url):
        asked = Database(url, patience=0.5)
        states: tuple[State, ...] = ("open", "silent", "cut", "open")
        for state in states:
            line.become(state)
            found = await asyncio.gather(*(asked.is_silent() for _ in range(3)))
            assert found == [state == "silent"] * 3, state
        await asked.dispose()
