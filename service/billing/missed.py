"""Noticing events of which Stripe never got a webhook through."""

from datetime import timedelta

import structlog

from service.billing.events import HANDLED
from service.billing.inbox import unheard
from service.billing.watch import WebhookWatch
from service.db.context import Context
from service.payments.gateway import Gateway, GatewayUnavailable

_LOOKS_BACK = timedelta(hours=1)
_ON_THE_WAY = timedelta(minutes=5)

log = structlog.get_logger()


async def look_for_missed(watch: WebhookWatch, context: Context, gateway: Gateway) -> None:
    """Ask Stripe which events of the last hour it has and we don't; it may be away."""
    now = context.clocks.business()
    try:
        listed = [event async for event in gateway.events(since=now - _LOOKS_BACK, types=HANDLED)]
    except GatewayUnavailable as error:
        log.warning("stripe.unavailable", reason=str(error))
        return
    due = [event for event in listed if event.created_at <= now - _ON_THE_WAY]
    async with context.database.reading() as session:
        missed = await unheard(session, due)
    watch.missed = len(missed)
    if missed:
        log.warning("webhooks.missed", events=watch.missed)
