"""What crawlers read before anything else: robots.txt, the terms for machines, sitemap and feed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.content.cache import AppArticles, article_not_found
from service.content.store import count_visible, list_addresses, list_articles
from service.content.visibility import is_visible
from service.crawlers.robots import LICENSE_PATH, SITEMAP_PATH, robots_text
from service.crawlers.rsl import MEDIA_TYPE, rsl_document, section_urls
from service.crawlers.verifiers import KnownCrawlers
from service.db.session import AppDatabase, ReadSession, ReportSession
from service.html.public_answer import MAX_AGE, holds
from service.identity.declarations import PUBLIC
from service.problems import Problem
from service.rules.in_force import AppInForce
from service.running import running_of
from service.texts import SLUG_LENGTH
from service.web.feed import FEED_PATH, LATEST, feed
from service.web.feed import MEDIA_TYPE as FEED_TYPE
from service.web.pages import GET, PageRoute
from service.web.sitemap import MEDIA_TYPE as SITEMAP_TYPE
from service.web.sitemap import MOST_ADDRESSES, pages_of, sitemap, sitemap_index

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.api_route("/robots.txt", methods=GET, dependencies=[PUBLIC])
async def read_robots(request: Request, in_force: AppInForce) -> Response:
    """By the rules of the publication. Public."""
    crawlers = running_of(request).get(KnownCrawlers).all
    text = robots_text(in_force.settings.public_url, in_force.rules.crawlers, crawlers)
    return _public(request, text, "text/plain")


@router.api_route(LICENSE_PATH, methods=GET, dependencies=[PUBLIC])
async def read_license(
    request: Request,
    in_force: AppInForce,
    articles: AppArticles,
    database: AppDatabase,
    clocks: AppClocks,
    article: Annotated[str, Query(max_length=SLUG_LENGTH)] = "",
) -> Response:
    """The terms of Really Simple Licensing, of the site or of one article. Public."""
    rules = in_force.rules.crawlers
    if rules.license is None:
        raise Problem("not-found", "This publication has set no terms for machines.")
    urls: Sequence[str] = section_urls(rules.licensed_sections) or ["/"]
    if article:
        entry = await articles.entry(database, article)
        if entry is None or not is_visible(entry.article, clocks.business()):
            raise article_not_found(article)
        if not rules.needs_license(entry.article.section):
            raise Problem("not-found", "This article needs no licence.")
        urls = [f"{in_force.settings.public_url}/articles/{entry.article.slug}"]
    return _public(request, rsl_document(rules.license, urls), MEDIA_TYPE)


@router.api_route(FEED_PATH, methods=GET, dependencies=[PUBLIC])
async def read_feed(
    request: Request, session: ReadSession, in_force: AppInForce, clocks: AppClocks
) -> Response:
    """The latest articles as a feed. Public."""
    page = await list_articles(
        session, section=None, tag=None, author=None, q=None, cursor=None, limit=LATEST,
        now=clocks.business(),
    )  # fmt: skip
    settings = in_force.settings
    text = feed(page.items, settings.publication_name, settings.public_url, in_force.rules.crawlers)
    return _public(request, text, FEED_TYPE)


@router.api_route(SITEMAP_PATH, methods=GET, dependencies=[PUBLIC])
async def read_sitemap(
    request: Request,
    session: ReportSession,
    in_force: AppInForce,
    clocks: AppClocks,
    page: Annotated[int, Query(ge=1)] | None = None,
) -> Response:
    """All visible articles, or where their files are where one can't hold them all. Public."""
    text = await sitemap_text(
        session, in_force.settings.public_url, page, now=clocks.business(), at_once=MOST_ADDRESSES
    )
    return _public(request, text, SITEMAP_TYPE)


async def sitemap_text(
    session: AsyncSession, public_url: str, page: int | None, *, now: datetime, at_once: int
) -> str:
    """The sitemap, or this file of it; `at_once` addresses fit into one. Raises Problem `not-found`."""
    pages = pages_of(await count_visible(session, now), at_once)
    if page is None and pages > 1:
        return sitemap_index(pages, public_url)
    if (page or 1) > pages:
        raise Problem("not-found", f"The sitemap has {pages} pages.")
    found = await list_addresses(session, now, start=at_once * ((page or 1) - 1), limit=at_once)
    # Tens of thousands of lines: nobody waits for them.
    return await asyncio.to_thread(sitemap, found, public_url)


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
