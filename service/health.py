"""Is the process alive, is it ready to serve, and its figures for Prometheus."""

from datetime import datetime

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from service.db import migrate
from service.db.context import AppContext
from service.db.session import AppDatabase, Database
from service.identity.declarations import PUBLIC
from service.jobs import backlog
from service.problems import Problem
from service.tokens.keys import KeyRingHolder
from service.tokens.routes import AppKeyRing

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """`status` is `ok`."""

    status: str


class Readiness(BaseModel):
    """Each check with `ok` or what is wrong with it."""

    ready: bool
    checks: dict[str, str]


@router.get("/healthz", summary="Is the process alive", dependencies=[PUBLIC])
async def healthz() -> Health:
    """The process runs and answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    responses={503: {"model": Readiness}},
    summary="Is it ready to serve",
    dependencies=[PUBLIC],
)
async def readyz(database: AppDatabase, key_ring: AppKeyRing) -> Response:
    """The database answers, its migrations are at the head, and there is a key to sign with."""
    checks = {
        **await _database_checks(database),
        "keys": _key_check(key_ring),
    }
    ready = all(result == "ok" for result in checks.values())
    answer = Readiness(ready=ready, checks=checks)
    return JSONResponse(answer.model_dump(), 200 if ready else 503)


def _key_check(holder: KeyRingHolder) -> str:
    if not holder.loaded:
        return "not loaded"
    return "ok" if holder.current.signing_key is not None else "PAYWALL_SECRET_KEY can't read them"


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
async def metrics(context: AppContext) -> Response:
    """Figures in Prometheus' text format, unless PAYWALL_METRICS switches them off."""
    if not context.settings.metrics:
        raise Problem("not-found")
    await _show_backlog(context.database, context.clocks.wall())
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _show_backlog(database: Database, now: datetime) -> None:
    try:
        async with database.reading() as session:
            held = await backlog.backlog(session, now)
    except Problem:
        held = []  # the database is away: the other figures are wanted all the more
    backlog.show(held, now)
