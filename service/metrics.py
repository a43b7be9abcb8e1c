"""The figures for Prometheus: counters, what waits, the channels, and the reports' figures of this moment."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import outside_counts
from service.counters import counters
from service.db.context import AppContext
from service.db.session import Database
from service.identity.declarations import PUBLIC
from service.jobs import backlog
from service.limits.addresses import comes_from
from service.problems import Problem
from service.reports import channel_facts
from service.reports.channel_facts import AppChannelWatch
from service.reports.gauges import count_figures
from service.reports.kept_gauges import AppKeptGauges
from service.running import running_of

router = APIRouter(tags=["operation"])


@router.get("/metrics", include_in_schema=False, dependencies=[PUBLIC])
async def metrics(
    request: Request, context: AppContext, watch: AppChannelWatch, kept: AppKeptGauges
) -> Response:
    """Figures in Prometheus' text format, for the networks of PAYWALL_METRICS_FROM.

    Counters are those of all workers; what is read from the database is the same in each.
    """
    settings = context.settings
    if not settings.metrics or not comes_from(request, settings.metrics_from, settings):
        raise Problem("not-found")
    now = context.clocks.wall()
    # Side by side: each may wait for the database.
    seen, held, figures = await asyncio.gather(
        watch.look(running_of(request)),
        _held(context.database, now),
        kept.look(context, count_figures),
    )
    gauges = _Gauges([*channel_facts.gauges(seen, now), *held, *figures])
    content = generate_latest(counters()) + generate_latest(gauges)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class _Gauges(Collector):
    """Figures as of now, for one answer."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


async def _held(database: Database, now: datetime) -> Sequence[Metric]:
    async def ask(session: AsyncSession) -> tuple[Sequence[backlog.Backlog], Mapping[str, int]]:
        return await backlog.backlog(session, now), await outside_counts.count_outside(session)

    try:
        held, outside = await database.at_once(ask)
    except Problem:
        return []  # the database is away: the other figures are wanted all the more
    return [*backlog.gauges(held, now), outside_counts.gauge(outside)]
