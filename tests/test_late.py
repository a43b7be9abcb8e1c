"""Routes that are made when they are asked for: once, beside other requests, and again after a failure."""

import asyncio
import gc
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from structlog.testing import capture_logs

from service.app import LATE, create_app
from service.db import migrate
from service.identity.declarations import declared_routes
from service.jobs.runner import Background
from service.late import LatePart, LateRoutes
from service.payments.gateway import Gateway
from service.payments.reach import LateGateway
from tests.conftest import MovingClocks, settings_of
from tests.patience import PATIENCE


@dataclass
class Workshop:
    """Makes one route once it may go on; `fails` as often as it says."""

    fails: int = 0
    made: int = 0
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def make(self) -> Sequence[BaseRoute]:
        self.made += 1
        assert self.may_go_on.wait(PATIENCE)
        if self.made <= self.fails:
            raise RuntimeError("a module is broken")
        router = APIRouter()
        router.add_api_route("/office/desk", lambda: "a desk")
        return router.routes


def client_of(workshop: Workshop) -> httpx2.AsyncClient:
    app = FastAPI()
    app.add_api_route("/news", lambda: "the news")
    app.add_middleware(
        LateRoutes, router=app.router, parts=[LatePart(("/office/",), workshop.make)]
    )
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://paper"
    )


async def test_two_who_ask_first_have_it_made_once_and_others_do_not_wait() -> None:
    workshop = Workshop()
    async with client_of(workshop) as client:
        asking = [asyncio.create_task(client.get("/office/desk")) for _ in range(2)]
        assert (await client.get("/news")).json() == "the news"
        assert not any(each.done() for each in asking)
        workshop.may_go_on.set()
        assert [(await each).json() for each in asking] == ["a desk"] * 2
        assert (await client.get("/office/desk")).json() == "a desk"
        assert (await client.get("/office/chair")).status_code == 404
    assert workshop.made == 1


async def test_who_goes_away_while_it_is_made_takes_nothing_from_the_others() -> None:
    workshop = Workshop()
    async with client_of(workshop) as client:
        first, second = [asyncio.create_task(client.get("/office/desk")) for _ in range(2)]
        await client.get("/news")
        first.cancel()
        workshop.may_go_on.set()
        assert (await second).json() == "a desk"
        with pytest.raises(asyncio.CancelledError):
            await first
    assert workshop.made == 1


async def test_after_a_failure_the_next_request_has_it_tried_again() -> None:
    workshop, interval = Workshop(fails=1), sys.getswitchinterval()
    workshop.may_go_on.set()
    async with client_of(workshop) as client:
        answers = [await client.get(path) for path in ("/office/desk", "/news", "/office/desk")]
    assert [each.status_code for each in answers] == [500, 200, 200]
    assert (gc.isenabled(), sys.getswitchinterval()) == (True, interval)


async def test_an_application_that_has_all_in_time_is_the_whole_one(tmp_path: Path) -> None:
    settings, clocks = settings_of(f"sqlite:///{tmp_path}/none.db"), MovingClocks()
    late, whole = (
        create_app(settings, gateway=None, clocks=clocks, whole=each) for each in (False, True)
    )
    first = {path for _, path in declared_routes(late.routes)}
    assert {path.split("/")[1] for path in first} == {"v1", ".well-known", "healthz", "readyz"}
    transport = httpx2.ASGITransport(app=late)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as client:
        document = (await client.get("/openapi.json")).json()
        for path in ("/metrics", "/problems"):
            await client.get(path)
    assert document == whole.openapi()
    assert declared_routes(late.routes) == declared_routes(whole.routes)


async def test_a_background_that_cannot_begin_ends_the_process_and_is_cleared_away(
    tmp_path: Path,
) -> None:
    def broken() -> Gateway:
        raise RuntimeError("a module is broken")

    settings = settings_of(f"sqlite:///{tmp_path}/paywall.db")
    await migrate.migrate(settings.database_url)
    app = create_app(settings, gateway=LateGateway(broken), clocks=MovingClocks(), whole=False)
    with capture_logs() as logs:
        async with app.router.lifespan_context(app):
            pass
    assert app.running.get(Background).has_failed
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["background.failed"]


def test_each_late_route_is_made_by_a_request_for_its_path(tmp_path: Path) -> None:
    settings = settings_of(f"sqlite:///{tmp_path}/none.db")
    app = create_app(settings, gateway=None, clocks=MovingClocks(), whole=False)
    first = {path for _, path in declared_routes(app.routes)}
    assert [path for path in first if any(part.has(path) for part in LATE)] == []
    for part in LATE:
        paths = {path for _, path in declared_routes(part.make())}
        assert [path for path in paths if not part.has(path)] == []
        others = [each for each in LATE if each is not part]
        shared = {path for path in paths for each in others if each.has(path)}
        assert shared <= {"/docs", "/openapi.json"}
