"""The search for a route by the beginning of its path finds what the framework's own search finds, among few."""

import re
from collections.abc import Sequence

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Match, Mount

from service.app import create_app
from service.by_path import ByPath
from tests.conftest import MovingClocks, settings_of

MOST = 12
VALUES = ("rules", "a/b", "{x}")


def found(routes: Sequence[BaseRoute], path: str, method: str) -> BaseRoute | None:
    partial = None
    for route in routes:
        match, _ = route.matches({"type": "http", "path": path, "method": method, "headers": []})
        if match == Match.FULL:
            return route
        if match == Match.PARTIAL and partial is None:
            partial = route
    return partial


def test_each_path_of_the_service_finds_the_same_route_among_few() -> None:
    app = create_app(settings_of("sqlite:///none.db"), gateway=None, clocks=MovingClocks())
    search, routes = ByPath(app.router), app.router.routes
    patterns = {each.path or "" for each in iter_route_contexts(routes)}
    asked = {re.sub(r"\{[^}]*\}", value, path) for path in patterns for value in VALUES}
    asked |= {f"{path}{end}" for path in patterns for end in ("/", "/more")} | {"", "//", "/v1/"}
    for path in sorted(asked):
        few = search.router_for(path).routes
        assert len(few) <= MOST, path
        for method in ("GET", "POST"):
            assert found(few, path, method) is found(routes, path, method), (method, path)


async def test_a_route_is_found_below_the_path_that_a_proxy_adds() -> None:
    router, calls = APIRouter(), list[str]()

    @router.get("/desk/{drawer}")
    async def open_drawer(drawer: str) -> None:
        calls.append(drawer)

    app = FastAPI()
    app.include_router(router)
    app.router.middleware_stack = ByPath(app.router)
    transport = httpx2.ASGITransport(app, root_path="/news")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/news/desk/a", "/desk/b"):
            assert (await client.get(path)).status_code == 200, path
    assert calls == ["a", "b"]


@pytest.mark.parametrize("path", ["/{any:path}", "/desk/{any:path}", "/desk"])
def test_a_route_that_is_added_is_found_and_gives_way_to_the_ones_before_it(path: str) -> None:
    router = APIRouter()
    router.add_api_route("/desk/{drawer}", lambda: "a drawer", methods=["GET"])
    search = ByPath(router)
    assert found(search.router_for("/desk/chair/leg").routes, "/desk/chair/leg", "GET") is None
    if "{" in path:
        router.add_api_route(path, lambda: "anything")
    else:
        router.routes.append(Mount(path, app=APIRouter()))
    for asked in ("/desk/chair", "/desk/chair/leg"):
        few = search.router_for(asked).routes
        assert found(few, asked, "GET") is found(router.routes, asked, "GET") is not None
