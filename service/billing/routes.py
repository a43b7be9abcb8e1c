"""Where Stripe tells us that something changed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from service.billing.inbox import INBOX_TASK, store_event
from service.billing.watch import UNSIGNED, WebhookWatch
from service.db.context import AppContext
from service.identity.declarations import PUBLIC
from service.jobs.runner import AppWakes
from service.payments.gateway import SignatureRefused
from service.payments.reach import AppPayments
from service.problems import Problem
from service.running import part

router = APIRouter(tags=["webhooks"])


class Received(BaseModel):
    """`new` is false for an event that was stored before."""

    new: bool


@router.post("/v1/webhooks/stripe", dependencies=[PUBLIC])
async def receive_stripe_event(
    request: Request,
    payments: AppPayments,
    context: AppContext,
    wakes: AppWakes,
    watch: Annotated[WebhookWatch, Depends(part(WebhookWatch))],
) -> Received:
    """Store a signed event; it is applied afterwards, from what Stripe then says of the object.

    404 while no signing secret is set.
    """
    gateway = payments.gateway
    if gateway is None or not context.settings.stripe_webhook_secret.get_secret_value():
        raise Problem("not-found")
    now = context.clocks.wall()
    signature = request.headers.get("Stripe-Signature")
    try:
        event = gateway.verify_webhook(await request.body(), signature, now)
    except HTTPException as error:
        watch.refused("too large" if signature else UNSIGNED, error.detail, now)
        raise
    except SignatureRefused as error:
        watch.refused(error.reason, str(error), now)
        raise Problem("webhook-refused", str(error)) from error
    async with context.database.transaction() as session:
        new = await store_event(session, event, now)
    wakes.wake(INBOX_TASK)
    return Received(new=new)
