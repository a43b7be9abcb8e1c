"""Is the process alive, and is it ready to serve."""

import asyncio
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db import migrate
from service.db.session import AppDatabase, Database
from service.identity.declarations import PUBLIC
from service.problems import Problem
from service.reports.channel_facts import AppChannelWatch
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
    running = running_of(request)
    # Side by side: each may wait for the database.
    found, channels = await asyncio.gather(_database_checks(database), watch.look(running))
    checks = {**found, "keys": key_ring.trouble or "ok"}
    ready = all(result == "ok" for result in checks.values())
    now = running.get(Clocks).wall()
    named = {
        each.name: ChannelState(
            state=each.trouble or "ok", last_good=each.last_good, age=each.age(now)
        )
        for each in channels
    }
    answer = Readiness(ready=ready, checks=checks, channels=named)
    return JSONResponse(answer.model_dump(mode="json"), 200 if ready else 503)


async def _database_checks(database: Database) -> dict[str, str]:
    try:
        stands_at = await database.at_once(_migration)
    except Problem as problem:
        return {"database": problem.type.title, "migrations": "unknown"}
    at_head = stands_at == migrate.head()
    return {"database": "ok", "migrations": "ok" if at_head else "run: paywall migrate"}


async def _migration(session: AsyncSession) -> str | None:
    return await (await session.connection()).run_sync(migrate.current)
