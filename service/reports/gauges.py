"""The figures of this moment for Prometheus, made from the registry: a new one is there by itself."""

from collections.abc import Sequence

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.failures import NoTurn
from service.problems import Problem
from service.reports.asked import Asked
from service.reports.cells import shown
from service.reports.figure import Figure
from service.reports.period import Period
from service.reports.registry import FIGURES

_UNITS = {"money": "in minor units of the currency", "percent": "as a part of 1"}

log = structlog.get_logger()


async def count_figures(context: Context) -> Sequence[Metric]:
    """Each figure that is a level; one that takes too long is missing. Problem: the database is away."""
    zone, now = context.settings.zone, context.clocks.business()
    today = now.astimezone(zone).date()
    asked = Asked(Period(today, today, "day", zone), now, zone)
    found = []
    for figure in FIGURES:
        if figure.over_time != "end":
            continue
        try:
            async with context.database.slow_reading("reports") as session:
                found.append(await _gauge(session, figure, asked))
        except Problem as problem:
            if problem.slug == "database-unavailable" and not isinstance(problem, NoTurn):
                raise  # the next one would wait for it as long
            log.warning("figure.not_counted", figure=figure.slug, detail=problem.detail)
    return found


async def _gauge(session: AsyncSession, figure: Figure, asked: Asked) -> Metric:
    words = [figure.meaning.name, _UNITS.get(figure.unit, ""), f"version {figure.version}"]
    gauge = GaugeMetricFamily(
        f"paywall_{figure.slug.replace('-', '_')}",
        ", ".join(each for each in words if each),
        labels=["series", "currency"],
    )
    for line in await figure.lines(session, asked):
        value = shown(line.total.value, figure.series_of(line).unit)
        if value is not None:
            gauge.add_metric([line.series, line.currency], value)
    return gauge
