"""The jobs that reconcile: one a night for all instances, and those that somebody asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.reconcile import reconcile
from service.billing.reconciliations import prune_runs
from service.db.base import new_id
from service.db.context import Context
from service.jobs.nightly import plan_night
from service.jobs.queue import ClaimedJob, enqueue
from service.jobs.runner import TaskName
from service.jobs.worker import Kind, Postponed, work
from service.payments.gateway import Gateway, GatewayUnavailable

NIGHTLY, ASKED = "nightly-reconcile", "reconcile"
RECONCILE_TASK = TaskName("reconcile")
"""Does the runs that are due."""
STRIPE_IS_AWAY = timedelta(minutes=5)


async def ask_reconcile(session: AsyncSession, *, started_by: str, fix: bool, now: datetime) -> str:
    """Have everything compared soon; the id of the run. Wake RECONCILE_TASK afterwards.

    `now` is wall time.
    """
    run_id = new_id("rec")
    payload = {"started_by": started_by, "fix": fix}
    await enqueue(session, kind=ASKED, key=run_id, now=now, payload=payload)
    return run_id


async def plan_comparison(session: AsyncSession, context: Context) -> None:
    """Store the next night's comparison, unless it is known."""
    await plan_night(session, [NIGHTLY], zone=context.settings.zone, clocks=context.clocks)


@dataclass(frozen=True)
class Reconciler:
    """Plans the nights and does the due runs; any number of processes may do so."""

    context: Context
    gateway: Gateway

    async def round(self) -> int:
        """How many runs were done."""
        async with self.context.database.transaction() as session:
            await plan_comparison(session, self.context)
        return await work(self.context.database, self.kinds(), self.context.clocks)

    def kinds(self) -> Mapping[str, Kind]:
        return {NIGHTLY: Kind(self.run), ASKED: Kind(self.run)}

    async def run(self, job: ClaimedJob) -> str:
        """One comparison, begun anew where somebody was killed in the middle of it."""
        at_night = job.kind == NIGHTLY
        try:
            report = await reconcile(
                self.context, self.gateway, started_by="nightly" if at_night else job.payload["started_by"],
                fix=at_night or job.payload["fix"],
                run_id=night_run(job.key) if at_night else job.key,
            )  # fmt: skip
        except GatewayUnavailable as error:
            raise Postponed(str(error), STRIPE_IS_AWAY) from error
        await prune_runs(self.context.database, self.context.clocks.business())
        return report.result


def night_run(day: str) -> str:
    """The night's run, such as rec_20261124: begun anew it is the same."""
    return f"rec_{day.replace('-', '')}"
