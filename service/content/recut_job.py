"""Cutting all articles anew as a job: the back office asks for it, and shows how far it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Job
from service.jobs.noting import noting, run_after
from service.jobs.queue import ClaimedJob, enqueue
from service.jobs.runner import TaskName
from service.jobs.worker import Kind, work
from service.rules.in_force import InForce, rules_in_force

KIND = "recut"
RECUT_TASK = TaskName("recut")


async def last_recut(session: AsyncSession) -> Job | None:
    """Its payload has who `started_by` asked, and how many articles are `done` of a `total`, None at first."""
    return (await session.scalars(_newest())).one_or_none()


@cache
def _newest() -> Select[Job]:
    """Built once: that takes longer than to execute it."""
    newest = select(Job).where(Job.kind == KIND).order_by(Job.created_at.desc(), Job.id.desc())
    return newest.limit(1)


async def ask_recut(session: AsyncSession, *, started_by: str, now: datetime) -> str | None:
    """Have all articles cut anew soon; the id of the run, None where one waits or runs already.

    Wake RECUT_TASK afterwards. `now` is wall time.
    """
    last = await last_recut(session)
    if last is not None and last.status == "waiting":
        return None
    run_id = run_after(last, "cut")
    payload = {"started_by": started_by, "done": 0, "total": None}
    is_new = await enqueue(session, kind=KIND, key=run_id, now=now, payload=payload)
    return run_id if is_new else None


async def by_latest(
    latest: Callable[[], Awaitable[InForce]], cut: Callable[[InForce], Awaitable[int]]
) -> int:
    """Cut by the latest rules, anew where they changed meanwhile: who saved them asked for no other run, since
    this one went on. How many articles were changed, each time counted.
    """
    changed, in_force = 0, await latest()
    while True:
        changed += await cut(in_force)
        before, in_force = in_force, await latest()
        if in_force.version == before.version:
            return changed


@dataclass(frozen=True)
class Recutter:
    """Does the runs that are asked for, by the rules in force; any number of processes may do so.

    A run that was killed begins anew: what it had cut is as it should be then.
    """

    context: Context

    async def round(self) -> int:
        """How many runs were done."""
        return await work(self.context.database, {KIND: Kind(self.run)}, self.context.clocks)

    async def run(self, job: ClaimedJob) -> str:
        # Every process may do this, and hardly any ever does: the parsers are imported where it is done.
        from service.content.recut import recut  # noqa: PLC0415

        database, at = self.context.database, _At()

        async def cut(in_force: InForce) -> int:
            return await recut(
                database, in_force, actor=job.payload["started_by"],
                now=self.context.clocks.business(), progress=at.take,
            )  # fmt: skip

        async with noting(database, job, at.found):
            changed = await by_latest(lambda: rules_in_force(self.context.settings, database), cut)
        return f"{changed} changed"


class _At:
    """How far a run is."""

    def __init__(self) -> None:
        self.done = self.total = 0

    def take(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def found(self) -> Mapping[str, Any]:
        return {"done": self.done, "total": self.total}
