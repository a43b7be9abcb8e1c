"""Gift subscriptions: those that a reader bought, and redeeming them."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.billing.gift_subscriptions import redeem
from service.checkout.gift_schemas import BoughtGiftList, BoughtGiftOut, GiftOut
from service.checkout.gifts import gift_id_of, gift_of_link, gifts_of_buyer
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.grants.link_tokens import LONGEST
from service.html.list_query import AnyPage
from service.identity.callers import ConfirmedReader, SignedInReader
from service.identity.declarations import PUBLIC

router = APIRouter(prefix="/v1", tags=["gifts"])
Token = Annotated[str, Path(max_length=LONGEST)]


@router.get("/me/gift-subscriptions", summary="List the gift subscriptions that you bought")
async def read_bought(
    caller: SignedInReader, asked: AnyPage, session: ReadSession, context: AppContext
) -> BoughtGiftList:
    """With the link of each, which its receiver opens; the newest first."""
    page = await gifts_of_buyer(session, caller.reader_id, asked)
    now, settings = context.clocks.business(), context.settings
    return BoughtGiftList.of(page.map(lambda each: BoughtGiftOut.of_buyer(each, now, settings)))


@router.get("/gift-subscriptions/{token}", dependencies=[PUBLIC], summary="Read a gift's link")
async def read_gift(token: Token, session: ReadSession, context: AppContext) -> GiftOut:
    """What the link gives, without any effect. `token` is the last part of the gift's `url`."""
    bought = await gift_of_link(session, token, context.settings)
    return GiftOut.of(bought, context.clocks.business())


@router.post("/gift-subscriptions/{token}/redeem", summary="Redeem a gift")
async def redeem_gift(
    token: Token, caller: ConfirmedReader, session: WriteSession, context: AppContext
) -> GiftOut:
    """Give the term to the caller, who has confirmed an address; repeating it changes nothing.

    409 `gift-closed` where somebody else has redeemed it, or it was taken or given back.
    """
    gift_id = gift_id_of(token, context.settings)
    bought = await redeem(session, context, gift_id, reader_id=caller.reader_id)
    return GiftOut.of(bought, context.clocks.business())
