"""Frozen values as the gateway hands them out, with defaults that a case overrides."""

from datetime import UTC, datetime, timedelta
from typing import Any

from service.payments.gateway import (
    StripeEvent,
    StripeInvoice,
    StripePrice,
    StripeSubscription,
    StripeSubscriptionItem,
)

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MONTH_END = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def subscription(status: str = "active", **fields: Any) -> StripeSubscription:
    """A monthly subscription in its first month."""
    values: dict[str, Any] = {
        "id": "sub_1",
        "customer_id": "cus_1",
        "status": status,
        "items": (item(),),
        "started_at": STARTED,
        "trial_end": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "ended_at": None,
        "metadata": {},
    }
    return StripeSubscription(**{**values, **fields})


def item(start: datetime = STARTED, end: datetime = MONTH_END) -> StripeSubscriptionItem:
    price = StripePrice("price_1", "prod_1", 900, "eur", "month", 1, None)
    return StripeSubscriptionItem(price, 1, start, end)


def invoice(finalized_at: datetime | None) -> StripeInvoice:
    """An open invoice of the subscription."""
    return StripeInvoice(
        "in_1", "open", "cus_1", "sub_1", 900, 0, "eur", STARTED, finalized_at
    )  # fmt: skip


def event(identifier: str = "evt_1", kind: str = "invoice.paid", **fields: Any) -> StripeEvent:
    values: dict[str, Any] = {
        "id": identifier,
        "type": kind,
        "object_id": "in_1",
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "created_at": STARTED,
    }
    return StripeEvent(**{**values, **fields})
