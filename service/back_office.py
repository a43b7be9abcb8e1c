"""The routes that only operators, their programs and developers ask for. Everything else can be served without them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.routing import iter_route_contexts
from starlette.requests import Request

from service.access import canary_routes, explain_routes
from service.content import admin_routes as content_routes
from service.crawlers import routes as crawler_routes
from service.grants import institution_routes, right_routes
from service.grants import routes as grants_routes
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators import api, routes
from service.problems import Problem
from service.reports import routes as reports_routes
from service.web import api_page

_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

unknown = APIRouter(include_in_schema=False)


@unknown.api_route("/v1/admin", methods=_ALL_METHODS)
@unknown.api_route("/v1/admin/{unknown:path}", methods=_ALL_METHODS)
async def find_nothing(
    request: Request, _: Annotated[Actor, Depends(requires(Permission.STAFF))]
) -> None:
    """401 without credentials on whatever else is under /v1/admin: nobody can map it."""
    # No closure: the framework remembers endpoints for good, and whatever application they hold.
    path = request.url.path
    known = [c for c in iter_route_contexts(request.app.routes) if c.endpoint is not find_nothing]
    allowed = {m for c in known if c.path_regex.match(path) for m in c.methods or ()}
    if allowed:
        raise Problem("method-not-allowed", headers={"Allow": ", ".join(sorted(allowed))})
    raise Problem("not-found")


ROUTERS = (
    content_routes.router,
    canary_routes.router,
    explain_routes.router,
    grants_routes.router,
    institution_routes.router,
    right_routes.router,
    crawler_routes.router,
    reports_routes.router,
    api.router,
    routes.router,
    api_page.router,
    unknown,
)
