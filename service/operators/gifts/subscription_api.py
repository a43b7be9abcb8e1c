"""Gift subscriptions over the API of the back office."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.billing.gift_rounds import send_again
from service.billing.gift_subscriptions import revoke_gift
from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.operators.gifts.subscription_lists import (
    AnyGiftSubscriptions,
    GiftSubscriptionItem,
    GiftSubscriptionList,
    SendIn,
    list_gift_subscriptions,
)
from service.outbox.queue import MAIL_TASK

router = APIRouter(prefix="/gift-subscriptions", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]
GiftId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


@router.get("", summary="List gift subscriptions")
async def read_gifts(
    _: ReadsSubscribers, asked: AnyGiftSubscriptions, session: ReportSession, clocks: AppClocks
) -> GiftSubscriptionList:
    """What was bought for others, and what became of it, the newest first.

    Needs the permission subscribers:read.
    """
    found, now = await list_gift_subscriptions(session, asked), clocks.business()
    return GiftSubscriptionList.of(found.map(lambda each: GiftSubscriptionItem.of(each, now)))


@router.post("/{gift_id}/send", status_code=204, summary="Mail a gift again")
async def send(
    gift_id: GiftId, body: SendIn, actor: ChangesSubscribers, session: WriteSession,
    context: AppContext, wakes: AppWakes,
) -> None:  # fmt: skip
    """To the receiver's address, or to another one. Needs the permission subscribers:write."""
    await send_again(session, context, gift_id, email=body.email, actor=actor.label)
    wakes.wake(MAIL_TASK)


@router.delete("/{gift_id}", status_code=204, summary="Take a gift back")
async def revoke(
    gift_id: GiftId, actor: ChangesSubscribers, session: WriteSession, context: AppContext
) -> None:
    """It opens nothing any more, redeemed or not; the money stays. Repeating it changes nothing.

    Needs the permission subscribers:write.
    """
    await revoke_gift(session, context, gift_id, actor=actor.label)
