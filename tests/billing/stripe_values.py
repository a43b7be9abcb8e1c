"""Frozen values as the gateway hands them out, with defaults that a case overrides."""

from datetime import UTC, datetime, timedelta
from typing import Any

from service.payments.gateway import (
    StripeCharge,
    StripeDispute,
    StripeEvent,
    StripeInvoice,
    StripeRefund,
    StripeSubscription,
    StripeSubscriptionItem,
)
from service.payments.set_up import StripePrice

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


def bill(name: str = "1", at: datetime = STARTED, **fields: Any) -> StripeInvoice:
    """A paid renewal, `in_<name>`, with the payment `pi_<name>`."""
    values: dict[str, Any] = {
        "id": f"in_{name}",
        "status": "paid",
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "amount_due": 900,
        "amount_paid": 900,
        "currency": "eur",
        "created_at": at,
        "finalized_at": at,
        "paid_at": at,
        "billing_reason": "subscription_cycle",
        "attempt_count": 1,
        "payments": (f"pi_{name}",),
    }
    return StripeInvoice(**{**values, **fields})


def charge(name: str = "1", at: datetime = STARTED, **fields: Any) -> StripeCharge:
    """The charge `ch_<name>` of the payment `pi_<name>`, which took the money."""
    values: dict[str, Any] = {
        "id": f"ch_{name}",
        "payment_intent_id": f"pi_{name}",
        "status": "succeeded",
        "amount": 900,
        "amount_refunded": 0,
        "currency": "eur",
        "refunded": False,
        "disputed": False,
        "created_at": at,
    }
    return StripeCharge(**{**values, **fields})


def refund(name: str = "1", at: datetime = STARTED, **fields: Any) -> StripeRefund:
    """A full refund `re_<name>` of the charge `ch_<name>`."""
    values: dict[str, Any] = {
        "id": f"re_{name}",
        "charge_id": f"ch_{name}",
        "payment_intent_id": f"pi_{name}",
        "amount": 900,
        "currency": "eur",
        "status": "succeeded",
        "metadata": {},
        "created_at": at,
    }
    return StripeRefund(**{**values, **fields})


def dispute(status: str, at: datetime = STARTED, name: str = "1") -> StripeDispute:
    """A dispute `dp_<name>` of the charge `ch_<name>`."""
    return StripeDispute(f"dp_{name}", f"ch_{name}", f"pi_{name}", status, at)


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
