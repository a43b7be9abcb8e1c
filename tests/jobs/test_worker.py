"""Workers: every job is tried until it is done or given up, whatever becomes of the others."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from structlog.testing import capture_logs

from service.db.failures import database_unavailable
from service.db.session import Database
from service.db.tables import Job
from service.jobs import queue
from service.jobs.queue import ClaimedJob
from service.jobs.worker import FIVE_TRIES, Failed, GivenUp, Kind, Postponed, work
from service.problems import Problem
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE

SECOND = timedelta(seconds=1)
Run = Callable[[ClaimedJob], Awaitable[str]]


async def put(database: Database, clocks: MovingClocks, *keys: str, kind: str = "rake") -> None:
    async with database.transaction() as session:
        for key in keys:
            await queue.enqueue(session, kind=kind, key=key, now=clocks.wall())


async def rows(database: Database) -> dict[str, Job]:
    async with database.reading() as session:
        return {job.key: job for job in await session.scalars(select(Job))}


class Garden:
    """Notes whose turn it was; `trouble` by key is raised, again and again."""

    def __init__(self, **trouble: Exception) -> None:
        self.trouble = trouble
        self.done: list[str] = []

    async def run(self, job: ClaimedJob) -> str:
        self.done.append(job.key)
        if job.key in self.trouble:
            raise self.trouble[job.key]
        return f"raked {job.key}"


async def test_one_bad_job_holds_up_no_other_and_is_given_up_after_five_tries(
    database: Database, clocks: MovingClocks
) -> None:
    garden = Garden(bad=ValueError("a stone"), refused=Failed("no rake"))
    await put(database, clocks, "bad", "refused", "good", "better")
    kinds = {"rake": Kind(garden.run)}
    with capture_logs() as logs:
        assert await work(database, kinds, clocks) == 2
    assert sorted(garden.done) == ["bad", "better", "good", "refused"]
    found = await rows(database)
    assert (found["good"].status, found["good"].result) == ("done", "raked good")
    assert found["bad"].result == "ValueError('a stone')"
    assert found["refused"].result == "no rake"
    told = {log["reason"]: log["exc_info"] for log in logs if log["event"] == "job.failed"}
    assert isinstance(told.pop("ValueError('a stone')"), ValueError)
    assert told == {"no rake": None}
    for pause in FIVE_TRIES:
        clocks.travel(pause - SECOND)
        assert await work(database, kinds, clocks) == 0
        tries = garden.done.count("bad")
        clocks.travel(SECOND)
        await put(database, clocks, f"new {tries}")
        assert await work(database, kinds, clocks) == 1
        assert garden.done.count("bad") == garden.done.count("refused") == tries + 1
    found = await rows(database)
    assert (found["bad"].status, found["bad"].attempts) == ("failed", 5)
    clocks.travel(timedelta(days=365))
    assert await work(database, kinds, clocks) == 0
    assert garden.done.count("bad") == 5


async def test_what_is_given_up_is_not_tried_again(
    database: Database, clocks: MovingClocks
) -> None:
    garden = Garden(gone=GivenUp("there is no garden"))
    await put(database, clocks, "gone")
    for _ in range(2):
        assert await work(database, {"rake": Kind(garden.run)}, clocks) == 0
        clocks.travel(timedelta(days=1))
    (job,) = (await rows(database)).values()
    assert (job.status, job.attempts, job.result) == ("failed", 1, "there is no garden")
    assert garden.done == ["gone"]


async def test_what_is_postponed_counts_no_attempt_and_ends_the_round(
    database: Database, clocks: MovingClocks
) -> None:
    garden = Garden(wet=Postponed("it rains", timedelta(minutes=1)))
    await put(database, clocks, "wet")
    clocks.travel(SECOND)
    await put(database, clocks, "other")
    kinds = {"rake": Kind(garden.run, pauses=())}
    for _ in range(20):
        await work(database, kinds, clocks)
        wet = (await rows(database))["wet"]
        assert (wet.status, wet.attempts, wet.result) == ("waiting", 0, "it rains")
        assert wet.due_at == clocks.wall() + timedelta(minutes=1)
        clocks.travel(timedelta(minutes=1))
    assert garden.done[:2] == ["wet", "other"]  # the round after
    garden.trouble.clear()
    assert await work(database, kinds, clocks) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("problem", "attempts"), [(database_unavailable(), 0), (Problem("stripe-unavailable"), 1)]
)
async def test_only_an_absent_database_is_no_attempt(
    database: Database, clocks: MovingClocks, problem: Problem, attempts: int
) -> None:
    garden = Garden(a=problem)
    await put(database, clocks, "a")
    if attempts:
        assert await work(database, {"rake": Kind(garden.run)}, clocks) == 0
    else:
        with pytest.raises(Problem):
            await work(database, {"rake": Kind(garden.run)}, clocks)
    assert (await rows(database))["a"].attempts == attempts
    clocks.travel(queue.LEASE)
    garden.trouble.clear()
    assert await work(database, {"rake": Kind(garden.run)}, clocks) == 1


async def test_any_number_of_workers_do_each_job_once_and_side_by_side(
    database: Database, clocks: MovingClocks
) -> None:
    keys = [f"{number}" for number in range(24)]
    await put(database, clocks, *keys)
    await put(database, clocks, "of another kind", kind="sweep")
    done: list[str] = []
    inside, most, together = 0, 0, asyncio.Event()

    async def run(job: ClaimedJob) -> str:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside > 1:
            together.set()
        await together.wait()
        inside -= 1
        done.append(job.key)
        return ""

    other = Database(database.url)
    kinds = {"rake": Kind(run)}
    try:
        async with asyncio.timeout(PATIENCE):
            counts = await asyncio.gather(
                work(database, kinds, clocks, at_once=3), work(other, kinds, clocks, at_once=3)
            )
    finally:
        await other.dispose()
    assert sum(counts) == len(keys)
    assert sorted(done) == sorted(keys)
    assert most <= 6
    assert (await rows(database))["of another kind"].status == "waiting"


class Long:
    """A job that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()
        self.count = 0

    async def run(self, _: ClaimedJob) -> str:
        self.count += 1
        self.begun.set()
        await self.let_go.wait()
        return "at last"


async def test_a_long_job_stays_with_its_worker(database: Database, clocks: MovingClocks) -> None:
    await put(database, clocks, "a")
    long, hasty = Long(), Garden()
    working = asyncio.create_task(
        work(database, {"rake": Kind(long.run)}, clocks, renew_every=timedelta(milliseconds=5))
    )
    async with asyncio.timeout(PATIENCE):
        await long.begun.wait()
        for _ in range(3):
            clocks.travel(queue.LEASE - SECOND)
            until = clocks.wall() + queue.LEASE
            while (await rows(database))["a"].due_at < until:  # noqa: ASYNC110 the database alone says so
                await asyncio.sleep(0)
            assert await work(database, {"rake": Kind(hasty.run)}, clocks) == 0
        long.let_go.set()
        assert await working == 1
    job = (await rows(database))["a"]
    assert (job.status, job.result, long.count, hasty.done) == ("done", "at last", 1, [])


async def test_a_worker_that_dies_leaves_the_job_to_the_next(
    database: Database, clocks: MovingClocks
) -> None:
    await put(database, clocks, "a")
    long, next_one = Long(), Garden()
    dying = asyncio.create_task(work(database, {"rake": Kind(long.run)}, clocks))
    async with asyncio.timeout(PATIENCE):
        await long.begun.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    kinds = {"rake": Kind(next_one.run)}
    assert await work(database, kinds, clocks) == 0
    clocks.travel(queue.LEASE)
    assert await work(database, kinds, clocks) == 1
    assert (await rows(database))["a"].attempts == 0


async def test_a_worker_that_sleeps_through_its_lease_changes_nothing(
    database: Database, clocks: MovingClocks
) -> None:
    await put(database, clocks, "a")
    long, quick = Long(), Garden()
    slow = asyncio.create_task(work(database, {"rake": Kind(long.run)}, clocks))
    async with asyncio.timeout(PATIENCE):
        await long.begun.wait()
        clocks.travel(queue.LEASE)
        assert await work(database, {"rake": Kind(quick.run)}, clocks) == 1
        long.let_go.set()
        await slow
    job = (await rows(database))["a"]
    assert (job.status, job.result) == ("done", "raked a")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_jobs_that_wait_for_each_other_are_both_done_at_once(
    database: Database, clocks: MovingClocks
) -> None:
    """PostgreSQL ends one of the two; no pause follows, nor is it a failed try."""
    await put(database, clocks, "rake", "hoe")
    both_hold = asyncio.Barrier(2)
    met: set[str] = set()

    async def take_both(job: ClaimedJob) -> str:
        async with database.transaction() as session:
            await session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            for tool in sorted(("rake", "hoe"), key=lambda each: each != job.key):
                lock = select(func.pg_advisory_xact_lock(func.hashtext(tool)))
                await session.execute(lock)
                if job.key not in met:
                    met.add(job.key)
                    await both_hold.wait()
        return "taken"

    assert await work(database, {"rake": Kind(take_both)}, clocks, at_once=2) == 2
    found = await rows(database)
    assert {(job.status, job.attempts) for job in found.values()} == {("done", 0)}
