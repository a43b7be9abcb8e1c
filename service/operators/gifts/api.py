"""Gift links over the API of the back office."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.clock import AppClocks
from service.db.session import ReportSession, WriteSession
from service.grants.gift_ends import end_link
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.gifts.lists import AnyGiftLinks, list_gift_links
from service.operators.gifts.schemas import GiftLinkItem, GiftLinkItems

router = APIRouter(prefix="/gift-links", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]
LinkId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


@router.get("", summary="List gift links")
async def read_gift_links(
    _: ReadsSubscribers, asked: AnyGiftLinks, session: ReportSession, clocks: AppClocks
) -> GiftLinkItems:
    """Who gave which article, how many came by it and bought, the newest first.

    Needs the permission subscribers:read.
    """
    now = clocks.business()
    found = await list_gift_links(session, asked, now)
    return GiftLinkItems.of(found.map(lambda each: GiftLinkItem.of(each, now)))


@router.delete("/{link_id}", status_code=204, summary="Switch off a gift link")
async def end(
    link_id: LinkId, actor: ChangesSubscribers, session: WriteSession, clocks: AppClocks
) -> None:
    """It opens nothing any more, also to those who have opened it; repeating it changes nothing.

    Needs the permission subscribers:write.
    """
    now = clocks.business()
    await end_link(session, link_id, now=now, giver=None, actor=actor.label)
