"""Gift links for those who gave them: listed and switched off."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select

from service.access.gift_schemas import GiftLinkList, GiftLinkOut
from service.access.gifts import AppGifts
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.db.tables import Article, GiftLink
from service.grants.gift_ends import end_link
from service.grants.gift_links import NEWEST
from service.html.list_query import AnyPage
from service.identity.callers import SignedInReader

router = APIRouter(tags=["gifts"])
LinkId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


@router.get("/v1/me/gift-links", summary="List the articles one has given")
async def read_gift_links(
    caller: SignedInReader,
    asked: AnyPage,
    session: ReadSession,
    context: AppContext,
    gifts: AppGifts,
) -> GiftLinkList:
    """The caller's links, the newest first."""
    statement = select(GiftLink, Article.slug).join(Article, Article.id == GiftLink.article_id)
    theirs = statement.where(GiftLink.reader_id == caller.reader_id)
    page = await NEWEST.rows(session, theirs, cursor=asked.cursor, limit=asked.limit)
    url, now = context.settings.public_url, context.clocks.business()
    return GiftLinkList.of(
        page.map(lambda row: GiftLinkOut.of(row[0], row[1], gifts.key, url, now))
    )


@router.delete("/v1/me/gift-links/{link_id}", status_code=204, summary="Switch a gift link off")
async def end_gift_link(
    link_id: LinkId, caller: SignedInReader, session: WriteSession, context: AppContext
) -> None:
    """It opens nothing any more, also to those who have opened it; repeating it changes nothing."""
    now = context.clocks.business()
    await end_link(session, link_id, now=now, giver=caller.reader_id, actor=None)
