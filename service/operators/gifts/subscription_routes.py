"""The page of gift subscriptions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.billing.gift_rounds import send_again
from service.billing.gift_subscriptions import revoke_gift
from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.jobs.runner import AppWakes
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.gifts.subscription_lists import (
    AnyGiftSubscriptions,
    GiftSubscriptionItem,
    list_gift_subscriptions,
)
from service.outbox.queue import MAIL_TASK

router = APIRouter(prefix="/gift-subscriptions", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
GiftId = Annotated[str, Form(max_length=100, pattern=r"^[a-z0-9_]+$")]
HOME = "/admin/gift-subscriptions"


@router.get("")
async def show_gifts(
    request: Request,
    _: SeesSubscribers,
    asked: AnyGiftSubscriptions,
    session: ReportSession,
    clocks: AppClocks,
) -> Response:
    """The list, the newest first."""
    found, now = await list_gift_subscriptions(session, asked), clocks.business()
    shown = found.map(lambda each: GiftSubscriptionItem.of(each, now))
    named = [id_ for each in shown.items for id_ in (each.buyer_id, each.redeemed_by) if id_]
    names = await names_of(session, named)
    return page(request, "gift_subscriptions.html", found=shown, asked=asked, names=names)


@router.post("/send")
async def send_mail(
    visit: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
    wakes: AppWakes,
    gift: GiftId,
) -> Response:
    """Mail a gift to its receiver now."""
    await send_again(session, context, gift, email=None, actor=visit.operator.label)
    wakes.wake(MAIL_TASK)
    return see_other(HOME)


@router.post("/revoke")
async def send_revoke(
    visit: ChangesSubscribers, session: WriteSession, context: AppContext, gift: GiftId
) -> Response:
    """Take a gift back."""
    await revoke_gift(session, context, gift, actor=visit.operator.label)
    return see_other(HOME)
