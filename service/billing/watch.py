"""Noticing that webhooks don't arrive: those that we refuse, and those that Stripe never got through."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from service.billing.events import HANDLED
from service.billing.inbox import unheard
from service.db.context import Context
from service.payments.gateway import Gateway, GatewayUnavailable

REFUSALS = Counter("paywall_webhook_refusals_total", "Webhooks refused, by the reason", ["reason"])
_QUIET = timedelta(minutes=1)
"""Strangers can't fill the log: a reason is warned of once in this time."""
_LOOKS_BACK = timedelta(hours=1)
_ON_THE_WAY = timedelta(minutes=5)
UNSIGNED = "unsigned"

log = structlog.get_logger()


@dataclass
class WebhookWatch:
    """What one process has noticed; `last` is the last refusal of something that was signed."""

    count: int = 0
    last: tuple[str, datetime] | None = None
    missed: int = 0
    _warned: dict[str, datetime] = field(default_factory=dict)

    def refused(self, reason: str, detail: str, now: datetime) -> None:
        """Count a refusal at `now` (wall time), and warn of it."""
        REFUSALS.labels(reason).inc()
        if reason != UNSIGNED:
            self.count += 1
            self.last = (reason, now)
        warned = self._warned.get(reason)
        if warned is None or now - warned >= _QUIET:
            self._warned[reason] = now
            log.warning("webhook.refused", reason=reason, detail=detail)

    async def look(self, context: Context, gateway: Gateway) -> None:
        """Ask Stripe which events of the last hour it has and we don't; it may be away."""
        now = context.clocks.business()
        try:
            listed = [
                event async for event in gateway.events(since=now - _LOOKS_BACK, types=HANDLED)
            ]
        except GatewayUnavailable as error:
            log.warning("stripe.unavailable", reason=str(error))
            return
        due = [event for event in listed if event.created_at <= now - _ON_THE_WAY]
        async with context.database.reading() as session:
            missed = await unheard(session, due)
        self.missed = len(missed)
        if missed:
            log.warning("webhooks.missed", events=self.missed)
