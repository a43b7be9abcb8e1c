"""Is the process alive, is it ready to serve, and its figures for Prometheus."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.registry import Collector
from pydantic import BaseModel

from service.billing import outside_counts
from service.clock import Clocks
from service.counters import counters
from service.db import migrate
from service.db.context import AppContext
from service.db.session import AppDatabase, Database
from service.identity.declarations import PUBLIC
from service.jobs import backlog
from service.limits.addresses import comes_from
from service.problems import Problem
from service.reports import channel_facts
from service.reports.channel_facts import AppChannelWatch
from service.reports.gauges import AppFigureGauges
from service.running import running_of
from service.tokens.routes import AppKeyRing

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """`status` is `ok`."""

    status: str


class ChannelState(BaseModel):
    """`state` is `ok`, or what has gone quiet and what to do. `age` in seconds since `last_good`."""

    state: str
    last_good: datetime | None
    age: int | None


class Readiness(BaseModel):
    """Each check with `ok` or what is wrong with it.

    `channels` are told from outside of what makes an instance ready: it can serve without them.
    """

    ready: bool
    checks: dict[str, str]
    channels: dict[str, ChannelState]


@router.get("/healthz", summary="Is the process alive", dependencies=[PUBLIC])
async def healthz() -> Health:
    """The process runs and answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    responses={200: {"model": Readiness}, 503: {"model": Readiness}},
    summary="Is it ready to serve",
    dependencies=[PUBLIC],
)
async def readyz(
    request: Request, database: AppDatabase, key_ring: AppKeyRing, watch: AppChannelWatch
) -> Response:
    """The database answers, its migrations are at the head, and there is a key to sign with.

    What reaches Stripe, the mail server and the jobs is named with its last success and its age.
    """
    checks = {
        **await _database_checks(database),
        "keys": key_ring.trouble or "ok",
    }
    ready = all(result == "ok" for result in checks.values())
    running = running_of(request)
    now = running.get(Clocks).wall()
    named = {
        each.name: ChannelState(
            state=each.trouble or "ok", last_good=each.last_good, age=each.age(now)
        )
        for each in await watch.look(running)
    }
    answer = Readiness(ready=ready, checks=checks, channels=named)
    return JSONResponse(answer.model_dump(mode="json"), 200 if ready else 503)


async def _database_checks(database: Database) -> dict[str, str]:
    try:
        async with database.reading() as session:
            connection = await session.connection()
            stands_at = await connection.run_sync(migrate.current)
    except Problem as problem:
        return {"database": problem.type.title, "migrations": "unknown"}
    at_head = stands_at == migrate.head()
    return {"database": "ok", "migrations": "ok" if at_head else "run: paywall migrate"}


@router.get("/metrics", include_in_schema=False, dependencies=[PUBLIC])
async def metrics(
    request: Request, context: AppContext, watch: AppChannelWatch, figure_gauges: AppFigureGauges
) -> Response:
    """Figures in Prometheus' text format, for the networks of PAYWALL_METRICS_FROM.

    Counters are those of all workers; what is read from the database is the same in each.
    """
    settings = context.settings
    if not settings.metrics or not comes_from(request, settings.metrics_from, settings):
        raise Problem("not-found")
    now = context.clocks.wall()
    seen = channel_facts.gauges(await watch.look(running_of(request)), now)
    counted = await figure_gauges.look(context)
    gauges = _Gauges([*seen, *await _held(context.database, now), *counted])
    figures = generate_latest(counters()) + generate_latest(gauges)
    return Response(figures, media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class _Gauges(Collector):
    """Figures as of now, for one answer."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


async def _held(database: Database, now: datetime) -> Sequence[Metric]:
    try:
        async with database.reading() as session:
            held = await backlog.backlog(session, now)
            outside = await outside_counts.count_outside(session)
    except Problem:
        return []  # the database is away: the other figures are wanted all the more
    return [*backlog.gauges(held, now), outside_counts.gauge(outside)]
