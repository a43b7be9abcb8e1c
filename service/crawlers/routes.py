"""Crawlers, kept by the staff: which there are, and what proves who they are."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from service.crawlers.address_lists import read_addresses
from service.crawlers.changes import forget_crawler, load_networks, put_crawler
from service.crawlers.schemas import (
    AddressListIn,
    CrawlerIn,
    CrawlerList,
    CrawlerName,
    CrawlerOut,
)
from service.crawlers.store import ListedCrawler, all_crawlers, facts_of
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch, etag_of
from service.identity.permissions import Permission
from service.problems import invalid_field

router = APIRouter(prefix="/v1/admin/crawlers", tags=["rules"])

Reads = Annotated[Actor, Depends(requires(Permission.ARTICLES_READ))]
Changes = Annotated[Actor, Depends(requires(Permission.ARTICLES_WRITE))]


@router.get("", summary="List crawlers")
async def read_all(_: Reads, session: ReportSession) -> CrawlerList:
    """Those that are known to everybody, and the newsroom's. Needs the permission articles:read."""
    return CrawlerList(items=[CrawlerOut.of(each) for each in await all_crawlers(session)])


@router.put("/{name}", summary="Store a crawler")
async def put(
    name: CrawlerName,
    body: CrawlerIn,
    actor: Changes,
    session: WriteSession,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> CrawlerOut:
    """Name a crawler, or replace what is known of it; repeating changes nothing.

    Needs the permission articles:write.
    """
    stored = await put_crawler(
        session, context, body.crawler(name), actor=actor.label, seen=if_match
    )
    response.headers["ETag"] = etag_of(facts_of(stored))
    return CrawlerOut.of(ListedCrawler(stored, is_ours=True))


@router.put("/{name}/addresses", summary="Load a crawler's address list")
async def load(
    name: CrawlerName,
    body: AddressListIn,
    actor: Changes,
    session: WriteSession,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> CrawlerOut:
    """Replace its networks by those of a list as its operator publishes it. Needs articles:write."""
    try:
        networks = read_addresses(body.list)
    except ValueError as error:
        raise invalid_field("body.list", str(error)) from error
    stored = await load_networks(session, context, name, networks, actor=actor.label, seen=if_match)
    response.headers["ETag"] = etag_of(facts_of(stored))
    return CrawlerOut.of(ListedCrawler(stored, is_ours=True))


@router.delete("/{name}", status_code=204, summary="Forget a crawler")
async def forget(
    name: CrawlerName,
    actor: Changes,
    session: WriteSession,
    context: AppContext,
    if_match: IfMatch = None,
) -> None:
    """Take away what the newsroom stored of it; what everybody knows stays. Needs articles:write."""
    await forget_crawler(session, context, name, actor=actor.label, seen=if_match)
