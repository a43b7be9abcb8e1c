"""The reader's pages for giving articles: one article's link, and all that the reader has given."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from service.access.gift_schemas import GiftLinkOut
from service.access.gifts import AppGifts
from service.access.giving import gift_of, give, link_address, refusal_words
from service.checkout.schemas import Short
from service.content.cache import WantedArticle
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.db.tables import Article, GiftLink
from service.grants.gift_ends import end_link
from service.grants.gift_links import NEWEST
from service.html.list_query import ListQuery
from service.html.redirect import see_other
from service.identity.callers import SignedInReader
from service.rules.in_force import AppInForce
from service.web.pages import GET, PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)
GIVEN = "/account/gifts"


@router.api_route("/articles/{slug}/give", methods=GET)
async def show_gift(
    request: Request,
    caller: SignedInReader,
    article: WantedArticle,
    session: ReadSession,
    context: AppContext,
    in_force: AppInForce,
    gifts: AppGifts,
) -> Response:
    """The reader's link of the article, or the button that makes one, or why there is none."""
    gift = await gift_of(session, context, in_force, article, caller.reader_id)
    url = context.settings.public_url
    address = link_address(article.slug, gifts.key.sign(gift.link.id), url) if gift.link else ""
    return page(
        request, "give.html", gift=gift, title=article.title, here=f"/articles/{article.slug}",
        address=address, refusal=refusal_words(gift, in_force.settings),
    )  # fmt: skip


@router.post("/articles/{slug}/give")
async def send_gift(
    caller: SignedInReader,
    article: WantedArticle,
    session: WriteSession,
    context: AppContext,
    in_force: AppInForce,
) -> Response:
    """Make a link, which ends the older one."""
    await give(session, context, in_force, article, caller.reader_id)
    return see_other(f"/articles/{article.slug}/give")


@router.api_route(GIVEN, methods=GET)
async def show_given(
    request: Request,
    caller: SignedInReader,
    asked: Annotated[ListQuery, Query()],
    session: ReadSession,
    context: AppContext,
    gifts: AppGifts,
) -> Response:
    """The reader's links, the newest first."""
    statement = select(GiftLink, Article.slug, Article.title).join(
        Article, Article.id == GiftLink.article_id
    )
    theirs = statement.where(GiftLink.reader_id == caller.reader_id)
    found = await NEWEST.rows(session, theirs, cursor=asked.cursor, limit=asked.limit)
    url, now = context.settings.public_url, context.clocks.business()
    given = found.map(lambda row: (row[2], GiftLinkOut.of(row[0], row[1], gifts.key, url, now)))
    return page(request, "gifts.html", given=given, asked=asked, path=GIVEN)


@router.post(f"{GIVEN}/end")
async def send_end(
    caller: SignedInReader,
    session: WriteSession,
    context: AppContext,
    link: Annotated[Short, Form()],
) -> Response:
    """Switch a link off."""
    now = context.clocks.business()
    await end_link(session, link, now=now, giver=caller.reader_id, actor=None)
    return see_other(GIVEN)
