"""How far the work that waits is behind: figures for monitoring and for the back office."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Job


@dataclass(frozen=True)
class Backlog:
    """Of one kind: how many wait, how many were given up, and since when the oldest waits that is due
    or was tried; None: none is.
    """

    kind: str
    waiting: int
    failed: int
    oldest: datetime | None


async def backlog(session: AsyncSession, now: datetime) -> Sequence[Backlog]:
    """Every kind of which anything isn't done, by name. `now` is wall time."""
    begun = or_(Job.due_at <= now, Job.attempts > 0, Job.result != "", Job.lease.is_not(None))
    waits = Job.status == "waiting"
    found = await session.execute(
        select(
            Job.kind,
            func.sum(case((waits, 1), else_=0)),
            func.sum(case((Job.status == "failed", 1), else_=0)),
            func.min(case((waits & begun, Job.created_at))),
        )
        .where(Job.status.in_(("waiting", "failed")))
        .group_by(Job.kind)
        .order_by(Job.kind)
    )
    return [Backlog(*row) for row in found]


def gauges(held: Sequence[Backlog], now: datetime) -> Sequence[Metric]:
    """The figures for Prometheus."""
    jobs = GaugeMetricFamily(
        "paywall_jobs_held", "Jobs that wait, or were given up", labels=["kind", "status"]
    )
    oldest = GaugeMetricFamily(
        "paywall_jobs_oldest_seconds",
        "Age of the oldest job that waits and is due, or was tried; Stripe's events are the kind stripe-event",
        labels=["kind"],
    )
    for each in held:
        jobs.add_metric([each.kind, "waiting"], each.waiting)
        jobs.add_metric([each.kind, "failed"], each.failed)
        age = (now - each.oldest).total_seconds() if each.oldest is not None else 0
        oldest.add_metric([each.kind], max(age, 0))
    return [jobs, oldest]
