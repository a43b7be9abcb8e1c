"""Doing what is due: every serving process runs workers, each for the kinds that it is given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter
from sqlalchemy import ColumnElement

from service.clock import Clocks
from service.db.failures import past_deadlocks
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


class Failed(Exception):
    """A foreseen failure: an attempt like any other, told in these words and without a traceback."""


class GivenUp(Exception):
    """There is no use in trying the job again."""


@dataclass(frozen=True)
class Kind:
    """How jobs of a kind are done: `run` answers the result in words, and is safe to repeat.

    After a deadlock it is called again at once. It may raise Postponed and GivenUp; anything else is a failed attempt, of which there is one more
    than `pauses`. Only while the database is away nothing is counted, nor could it be.
    """

    run: Callable[[ClaimedJob], Awaitable[str]]
    pauses: Sequence[timedelta] = FIVE_TRIES


async def work(
    database: Database,
    kinds: Mapping[str, Kind],
    clocks: Clocks,
    *,
    at_once: int = 1,
    only: ColumnElement[bool] = queue.EVERY_JOB,
    renew_every: timedelta = queue.LEASE / 3,
) -> int:
    """Do the due jobs of these kinds, `at_once` side by side; how many were done.

    Any number of processes may do so. `only`: no others than those of which that is so. A job's lease
    is renewed after each `renew_every`.
    """
    due = await queue.count_due(database, kinds.keys(), clocks.wall(), only)
    worker = _Worker(database, kinds, clocks, only, renew_every)
    working = [worker.work() for _ in range(min(due, at_once))]
    # Each finishes the job it has begun, whatever becomes of the others.
    results = await asyncio.gather(*working, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result for result in results if isinstance(result, int))


@dataclass(frozen=True)
class _Worker:
    """Does one job after the other until none is due."""

    database: Database
    kinds: Mapping[str, Kind]
    clocks: Clocks
    only: ColumnElement[bool]
    renew_every: timedelta

    async def work(self) -> int:
        done = 0
        while (job := await self._claim()) is not None:
            with structlog.contextvars.bound_contextvars(job=job.kind, key=job.key):
                outcome = await self._do(self.kinds[job.kind], job)
            JOBS.labels(job.kind, outcome).inc()
            if outcome == "postponed":
                break
            done += outcome == "done"
        return done

    async def _claim(self) -> ClaimedJob | None:
        now = self.clocks.wall()
        return await queue.claim_next(self.database, self.kinds.keys(), now, self.only)

    async def _do(self, kind: Kind, job: ClaimedJob) -> str:
        """What became of it: done, failed, given up or postponed."""
        database, now = self.database, self.clocks.wall
        try:
            async with self._held(job):
                result = await past_deadlocks(lambda: kind.run(job))
        except Postponed as error:
            log.warning("job.postponed", reason=str(error))
            await queue.postpone(database, job, reason=str(error), pause=error.pause, now=now())
            return "postponed"
        except GivenUp as error:
            log.error("job.given_up", reason=str(error))  # noqa: TRY400 foreseen, where it was raised tells nothing
            await queue.give_up(database, job, reason=str(error), now=now())
            return "given up"
        except Exception as error:
            if _tells_that_the_database_is_away(error):
                raise  # the lease brings the job back
            return await self._fail(kind, job, error)
        await queue.finish(database, job, result=result, now=now())
        log.info("job.done", result=result)
        return "done"

    async def _fail(self, kind: Kind, job: ClaimedJob, error: Exception) -> str:
        foreseen = isinstance(error, Failed)
        reason = str(error) if foreseen else repr(error)
        given_up = await queue.fail(
            self.database, job, reason=reason, pauses=kind.pauses, now=self.clocks.wall()
        )
        # Where a foreseen failure was raised tells nothing, and what it was raised from may be private.
        told = log.error if given_up else log.warning
        told(
            "job.given_up" if given_up else "job.failed",
            reason=reason, attempts=job.attempts + 1, exc_info=None if foreseen else error,
        )  # fmt: skip
        return "given up" if given_up else "failed"

    @asynccontextmanager
    async def _held(self, job: ClaimedJob) -> AsyncIterator[None]:
        """Renew the lease for as long as the work inside takes."""
        renewing = asyncio.create_task(self._renew(job))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, job: ClaimedJob) -> None:
        while True:
            await asyncio.sleep(self.renew_every.total_seconds())
            try:
                if not await queue.renew(self.database, job, self.clocks.wall()):
                    # Claimed by another meanwhile, or replayed: closing it will change nothing.
                    log.warning("job.lease_lost")
                    return
            except Exception as error:  # noqa: BLE001 the next renewal may succeed, the work goes on
                log.warning("job.not_renewed", reason=repr(error))


def _tells_that_the_database_is_away(error: Exception) -> bool:
    return isinstance(error, Problem) and error.slug == "database-unavailable"
