"""What crawlers read before anything else: robots.txt, and the terms for machines."""

from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.crawlers.robots import LICENSE_PATH, robots_text
from service.crawlers.rsl import MEDIA_TYPE, rsl_document
from service.crawlers.verifiers import KnownCrawlers
from service.html.public_answer import MAX_AGE, holds
from service.identity.declarations import PUBLIC
from service.problems import Problem
from service.rules.in_force import AppInForce
from service.running import running_of
from service.web.pages import GET, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.api_route("/robots.txt", methods=GET, dependencies=[PUBLIC])
async def read_robots(request: Request, in_force: AppInForce) -> Response:
    """By the rules of the publication. Public."""
    crawlers = running_of(request).get(KnownCrawlers).all
    text = robots_text(in_force.settings.public_url, in_force.rules.crawlers, crawlers)
    return _public(request, text, "text/plain")


@router.api_route(LICENSE_PATH, methods=GET, dependencies=[PUBLIC])
async def read_license(request: Request, in_force: AppInForce) -> Response:
    """The terms of Really Simple Licensing. Public."""
    terms = in_force.rules.crawlers.license
    if terms is None:
        raise Problem("not-found", "This publication has set no terms for machines.")
    return _public(request, rsl_document(terms), MEDIA_TYPE)


def _public(request: Request, text: str, media_type: str) -> Response:
    """For everybody alike, kept as long as a teaser."""
    content = text.encode()
    headers = {
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Access-Control-Allow-Origin": "*",
        "Vary": "Accept-Encoding",
        "ETag": f'"{sha256(content).hexdigest()[:16]}"',
    }
    if holds(request.headers.get("If-None-Match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
