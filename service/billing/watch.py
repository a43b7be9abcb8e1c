"""Noticing that webhooks don't arrive: those that we refuse, and those that Stripe never got through."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

REFUSALS = Counter("paywall_webhook_refusals_total", "Webhooks refused, by the reason", ["reason"])
_QUIET = timedelta(minutes=1)
"""Strangers can't fill the log: a reason is warned of once in this time."""
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
