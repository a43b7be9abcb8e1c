"""Lists, figures, exports and searches may take long; reading has connections that they can't take."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import SLOW_AT_ONCE, Database, Slow
from service.problems import Problem
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import inside
from tests.patience import PATIENCE, wait_for
from tests.reports.rows import offer

SERVICE = Path(__file__).parents[2] / "service"
MORE_THAN_ALL = 25
"""More than either database's connections."""
A_LOCK = 1

Hold = Callable[[AsyncSession], Awaitable[object]]


@asynccontextmanager
async def statements_that_hang(database: Database) -> AsyncIterator[Hold]:
    """What makes a session's statement last until the end of the block."""
    if database.dialect == "postgresql":
        async with database.reading() as session:
            await session.execute(text(f"SELECT pg_advisory_lock({A_LOCK})"))
            yield lambda held: held.execute(text(f"SELECT pg_advisory_xact_lock({A_LOCK})"))
            await session.execute(text(f"SELECT pg_advisory_unlock({A_LOCK})"))
        return
    over = threading.Event()

    async def hang(held: AsyncSession) -> None:
        raw = await (await held.connection()).get_raw_connection()
        await raw.driver_connection.create_function("hang", 0, over.wait)  # type: ignore[union-attr]
        await held.execute(text("SELECT hang()"))

    try:
        yield hang
    finally:
        over.set()


async def slowly(database: Database, kind: Slow, hold: Hold, started: list[str]) -> None:
    async with database.slow_reading(kind) as session:
        started.append(kind)
        await hold(session)


@pytest.mark.parametrize("kind", ["reports", "search"])
async def test_reading_goes_on_while_slow_statements_hold_all_of_theirs(
    database: Database, settings: Settings, clocks: MovingClocks, kind: Slow
) -> None:
    async with inside(database, settings, clocks) as paywall:
        for slug in "ab":
            await paywall.publish(slug)
        its_own, started = paywall.app.running.get(Database), list[str]()
        its_own._longest_slow = its_own._longest_wait = PATIENCE
        other = {"reports": "/v1/articles?q=opening", "search": "/v1/admin/subscribers"}
        same = {"reports": "/v1/admin/subscribers", "search": "/v1/articles?q=opening"}
        async with asyncio.TaskGroup() as group, statements_that_hang(database) as hold:
            for _ in range(MORE_THAN_ALL):
                group.create_task(slowly(its_own, kind, hold, started))
            await wait_for(lambda: len(started) == SLOW_AT_ONCE, "the slow ones hold theirs")

            async with asyncio.timeout(PATIENCE):
                await paywall.sign_in("plan:digital")
                for answer in (
                    await paywall.client.get("/"),
                    await paywall.client.get("/articles/a"),
                    await paywall.unlock("a"),
                    await paywall.new_client().post("/v1/articles/b/unlock"),
                    await paywall.client.get("/v1/articles"),
                    await paywall.client.post("/v1/session/token"),
                    await paywall.client.get("/v1/me"),
                    await paywall.client.get(other[kind], headers=paywall.staff),
                ):
                    assert answer.status_code == 200, answer.text
            waits = group.create_task(paywall.client.get(same[kind], headers=paywall.staff))
            waiting = MORE_THAN_ALL - SLOW_AT_ONCE + 1
            await wait_for(lambda: len(its_own._room[kind]._waiters or ()) == waiting, "it waits")
            assert len(started) == SLOW_AT_ONCE
        assert waits.result().status_code == 200


@on_sqlite
async def test_a_long_wait_ends_with_when_to_come_back(database_url: str) -> None:
    impatient = Database(database_url, patience=0.05)
    try:
        async with asyncio.TaskGroup() as group:
            over, started = asyncio.Event(), list[str]()
            for _ in range(SLOW_AT_ONCE):
                group.create_task(slowly(impatient, "reports", lambda _: over.wait(), started))
            await wait_for(lambda: len(started) == SLOW_AT_ONCE, "all are at work")
            with pytest.raises(Problem) as refused:
                await slowly(impatient, "reports", lambda _: over.wait(), started)
            over.set()
        assert refused.value.type.status == 503
        assert refused.value.headers["Retry-After"]
        await slowly(impatient, "reports", lambda _: over.wait(), started)
    finally:
        await impatient.dispose()


COUNTS_FOR_EVER = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
)


def hurried(url: str) -> Database:
    """One that ends slow statements after a second."""
    if url.startswith("sqlite"):
        return Database(url, patience=1.5)
    # The driver waits as long as ever: a busy server may be late to connect, and to end a statement.
    database = Database(url)
    database._longest_slow = 1.0
    return database


async def test_a_statement_that_takes_too_long_is_ended_with_a_sentence(database_url: str) -> None:
    impatient = hurried(database_url)
    try:
        with pytest.raises(Problem) as refused:
            async with impatient.slow_reading("reports") as session:
                await session.execute(text(COUNTS_FOR_EVER))
        assert refused.value.slug == "takes-too-long"
        assert "Choose a shorter period" in refused.value.detail
        async with impatient.slow_reading("reports") as session:
            assert await session.scalar(text("SELECT 1")) == 1
    finally:
        await impatient.dispose()


async def test_all_queries_of_one_session_see_the_same_state(database: Database) -> None:
    async with database.slow_reading("reports") as session:
        assert await session.scalar(text("SELECT count(*) FROM offers")) == 0
        async with database.transaction() as other:
            other.add(offer())
        assert await session.scalar(text("SELECT count(*) FROM offers")) == 0


@pytest.mark.parametrize(
    "folder",
    [
        "reports", "operators", "operators/staff", "operators/subscribers", "operators/system",
        "operators/unbound", "operators/webhooks",
    ],
)  # fmt: skip
def test_lists_and_figures_take_no_connection_of_reading(folder: str) -> None:
    taking = [
        str(path)
        for path in (SERVICE / folder).glob("*.py")
        if "ReadSession" in path.read_text(encoding="utf-8")
    ]
    assert not taking, "a route of the back office takes ReportSession"
