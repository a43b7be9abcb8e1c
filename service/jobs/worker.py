"""Doing what is due: every serving process runs workers, each for the kinds that it is given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter

from service.clock import Clocks
from service.db.session import Database
from service.jobs import queue
from service.jobs.queue import ClaimedJob
from service.problems import Problem

JOBS = Counter("paywall_jobs_total", "Jobs tried, by what became of them", ["kind", "outcome"])
FIVE_TRIES = tuple(timedelta(seconds=2 * 4**tried) for tried in range(4))
"""2 s, 8 s, 32 s and 2 minutes between five tries."""

log = structlog.get_logger()


class Postponed(Exception):
    """What the job needs is away: it waits for `pause`, and this was no attempt.

    The worker's round ends with it, since the next job would fare no better.
    """

    def __init__(self, reason: str, pause: timedelta = timedelta(seconds=5)) -> None:
        self.pause = pause
        super().__init__(reason)


class GivenUp(Exception):
    """There is no use in trying the job again."""


@dataclass(frozen=True)
class Kind:
    """How jobs of a kind are done: `run` answers the result in words, and is safe to repeat.

    It may raise Postponed and GivenUp; anything else is a failed attempt, of which there is one more
    than `pauses`.
    """

    run: Callable[[ClaimedJob], Awaitable[str]]
    pauses: Sequence[timedelta] = FIVE_TRIES


async def work(
    database: Database, kinds: Mapping[str, Kind], clocks: Clocks, *, at_once: int = 1
) -> int:
    """Do the due jobs of these kinds, `at_once` side by side; how many were done.

    Any number of processes may do so.
    """
    due = await queue.count_due(database, kinds.keys(), clocks.wall())
    working = [_work_alone(database, kinds, clocks) for _ in range(min(due, at_once))]
    # Each finishes the job it has begun, whatever becomes of the others.
    results = await asyncio.gather(*working, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result for result in results if isinstance(result, int))


async def _work_alone(database: Database, kinds: Mapping[str, Kind], clocks: Clocks) -> int:
    done = 0
    while (job := await queue.claim_next(database, kinds.keys(), clocks.wall())) is not None:
        with structlog.contextvars.bound_contextvars(job=job.kind, key=job.key):
            outcome = await _do(database, kinds[job.kind], clocks, job)
        JOBS.labels(job.kind, outcome).inc()
        if outcome == "postponed":
            break
        done += outcome == "done"
    return done


async def _do(database: Database, kind: Kind, clocks: Clocks, job: ClaimedJob) -> str:
    """What became of it: done, failed, given up or postponed."""
    try:
        async with _held(database, clocks, job):
            result = await kind.run(job)
    except Postponed as error:
        log.warning("job.postponed", reason=str(error))
        await queue.postpone(database, job, reason=str(error), pause=error.pause, now=clocks.wall())
        return "postponed"
    except GivenUp as error:
        log.error("job.given_up", reason=str(error))  # noqa: TRY400 foreseen, where it was raised tells nothing
        await queue.give_up(database, job, reason=str(error), now=clocks.wall())
        return "given up"
    except Problem:
        raise  # the database is away: the lease brings the job back
    except Exception as error:
        given_up = await queue.fail(
            database, job, reason=repr(error), pauses=kind.pauses, now=clocks.wall()
        )
        log.exception("job.given_up" if given_up else "job.failed")
        return "given up" if given_up else "failed"
    await queue.finish(database, job, result=result, now=clocks.wall())
    log.info("job.done", result=result)
    return "done"


@asynccontextmanager
async def _held(database: Database, clocks: Clocks, job: ClaimedJob) -> AsyncIterator[None]:
    """Renew the lease for as long as the work inside takes."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(queue.LEASE.total_seconds() / 3)
            try:
                await queue.renew(database, job, clocks.wall())
            except Problem as problem:
                log.warning("job.not_renewed", problem=problem.slug)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
