"""Rows that the reports read, made the short way."""

from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base, new_id
from service.db.tables import (
    AccessEntry,
    Article,
    ChargeRow,
    Checkout,
    DomainEvent,
    Grant,
    InvoiceRow,
    MovementRow,
    Offer,
    Pass,
    Reader,
    Subscription,
)

_READS = count()
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def offer(**values: Any) -> Offer:
    defaults: dict[str, Any] = {
        "id": new_id("off"),
        "name": "Digital, monthly",
        "plan": "digital",
        "amount": 900,
        "currency": "EUR",
        "interval": "month",
        "interval_count": 1,
        "trial_days": 0,
        "position": 1,
        "stripe_price_id": None,
        "created_at": NOW,
        "archived_at": None,
    }
    return Offer(**{**defaults, **values})


def reader(**values: Any) -> Reader:
    defaults: dict[str, Any] = {
        "id": new_id("rdr"),
        "email": None,
        "email_verified_at": None,
        "created_at": NOW - timedelta(days=30),
    }
    return Reader(**{**defaults, **values})


def subscription(reader: Reader, offer: Offer, **values: Any) -> Subscription:
    defaults: dict[str, Any] = {
        "id": new_id("sub"),
        "reader_id": reader.id,
        "customer_id": new_id("cus"),
        "offer_id": offer.id,
        "plan": offer.plan,
        "status": "active",
        "amount": offer.amount,
        "currency": offer.currency,
        "interval": offer.interval,
        "interval_count": offer.interval_count,
        "started_at": NOW - timedelta(days=20),
        "current_period_end": NOW + timedelta(days=10),
        "trial_end": None,
        "cancel_at": None,
        "ended_at": None,
        "past_due_since": None,
        "pauses_collection": False,
        "cancel_reason": "",
        "access_stop": "",
        "payment_problem": "",
        "synced_at": NOW,
        "version": 1,
    }
    given = {**defaults, **values}
    costs = {
        "recurring_amount": given["amount"], "net_amount": given["amount"], "discounts": [],
        "next_amount": given["amount"], "next_charge_at": given["current_period_end"],
        "outside": "",
    }  # fmt: skip
    return Subscription(**{**costs, **given})


def movement(bought: Subscription, number: int, at: datetime, **values: Any) -> MovementRow:
    """The subscription begins to bring what it costs."""
    defaults: dict[str, Any] = {
        "subscription_id": bought.id,
        "number": number,
        "customer": "ctm_1",
        "at": at,
        "kind": "new",
        "cause": "started",
        "currency": bought.currency,
        "from_listed": 0,
        "from_recurring": 0,
        "from_net": 0,
        "to_plan": bought.plan,
        "to_interval": bought.interval,
        "to_interval_count": bought.interval_count,
        "to_listed": bought.amount,
        "to_recurring": bought.amount,
        "to_net": bought.amount,
        "discounts": [],
    }
    return MovementRow(**{**defaults, **values})


def ending(bought: Subscription, number: int, at: datetime, **values: Any) -> MovementRow:
    """The subscription ceases to bring what it costs, by choice."""
    defaults: dict[str, Any] = {
        "kind": "churn_voluntary",
        "cause": "voluntary",
        "from_plan": bought.plan,
        "from_interval": bought.interval,
        "from_interval_count": bought.interval_count,
        "from_listed": bought.amount,
        "from_recurring": bought.amount,
        "from_net": bought.amount,
        "to_plan": None,
        "to_interval": None,
        "to_interval_count": None,
        "to_listed": 0,
        "to_recurring": 0,
        "to_net": 0,
    }
    return movement(bought, number, at, **{**defaults, **values})


def grant(reader: Reader, **values: Any) -> Grant:
    defaults: dict[str, Any] = {
        "id": new_id("grt"),
        "reader_id": reader.id,
        "source": "comp",
        "reference": new_id("cmp"),
        "scope": "everything",
        "starts_at": NOW - timedelta(days=5),
        "ends_at": None,
        "in_grace": False,
        "note": "",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Grant(**{**defaults, **values})


def article(slug: str, title: str) -> Article:
    return Article(
        id=new_id("art"),
        slug=slug,
        title=title,
        standfirst="",
        body_source="",
        body_format="html",
        body_html="",
        preview_html="",
        preview_text="",
        cut_is_whole=False,
        search_text="",
        authors=[],
        section=None,
        tags=[],
        canonical_url=None,
        image_url=None,
        image_alt=None,
        language=None,
        published_at=NOW,
        status="published",
        level=None,
        plans=[],
        source_ids={},
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def read(article: Article, at: datetime, **values: Any) -> AccessEntry:
    """A read; with `wall="subscribe"` a refusal."""
    walled = values.get("wall") is not None
    defaults: dict[str, Any] = {
        "day": at.date(),
        "holder": "device:dev_1",
        "id": f"{next(_READS):06}",
        "at": at,
        "article_id": article.id,
        "reader_id": None,
        "device_id": None,
        "granted": not walled,
        "consumed": not walled,
        "reason": "meter_exhausted" if walled else "meter",
        "wall": None,
        "window_start": None,
        "referrer_host": None,
        "once": False,
    }
    return AccessEntry(**{**defaults, **values})


def checkout(reader: Reader, offer: Offer, at: datetime, **values: Any) -> Checkout:
    defaults: dict[str, Any] = {
        "id": new_id("cko"),
        "offer_id": offer.id,
        "reader_id": reader.id,
        "device_id": None,
        "return_to": "/",
        "claim_hash": new_id("hash"),
        "status": "completed",
        "stripe_session_id": None,
        "stripe_url": None,
        "stripe_subscription_id": None,
        "created_at": at,
        "expires_at": at + timedelta(hours=24),
        "completed_at": at + timedelta(minutes=3),
    }
    return Checkout(**{**defaults, **values})


def bought_pass(reader: Reader, offer: Offer, paid: Checkout, **values: Any) -> Pass:
    """It was bought yesterday and runs for a week."""
    defaults: dict[str, Any] = {
        "id": new_id("pi"),
        "checkout_id": paid.id,
        "reader_id": reader.id,
        "customer_id": None,
        "offer_id": offer.id,
        "scope": f"plan:{offer.plan}",
        "amount": 300,
        "currency": "EUR",
        "paid_at": NOW - timedelta(days=1),
        "starts_at": NOW - timedelta(days=1),
        "ends_at": NOW + timedelta(days=6),
        "access_stop": "",
        "synced_at": NOW,
        "version": 1,
    }
    return Pass(**{**defaults, **values})


def told(reader: Reader, type_: str, at: datetime, **values: Any) -> DomainEvent:
    defaults: dict[str, Any] = {
        "id": new_id("evt"),
        "type": type_,
        "reader_id": reader.id,
        "subject_id": "sub_1",
        "once": new_id("once"),
        "occurred_at": at,
        "recorded_at": at,
        "before": None,
        "after": None,
    }
    return DomainEvent(**{**defaults, **values})


def invoice(bought: Subscription, **values: Any) -> InvoiceRow:
    """A renewal's, paid where `paid_at` says when."""
    amount = values.get("amount_due", bought.amount)
    is_paid = values.get("paid_at") is not None
    defaults: dict[str, Any] = {
        "id": new_id("in"),
        "subscription_id": bought.id,
        "offer_id": bought.offer_id,
        "status": "paid" if is_paid else "open",
        "billing_reason": "subscription_cycle",
        "currency": bought.currency,
        "subtotal": amount,
        "discount": 0,
        "tax": 0,
        "total": amount,
        "amount_due": amount,
        "amount_paid": amount if is_paid else 0,
        "amount_remaining": 0 if is_paid else amount,
        "created_at": NOW,
        "attempt_count": 1,
        "asked_at": NOW,
    }
    return InvoiceRow(**{**defaults, **values})


def failed_charge(of: InvoiceRow, **values: Any) -> ChargeRow:
    """A try to collect the invoice that the bank declined."""
    defaults: dict[str, Any] = {
        "id": new_id("ch"),
        "payment_id": new_id("pi"),
        "invoice_id": of.id,
        "subscription_id": of.subscription_id,
        "offer_id": of.offer_id,
        "sold": "subscription",
        "status": "failed",
        "amount": of.amount_due,
        "currency": of.currency,
        "method": "card",
        "country": "DE",
        "failure": "insufficient_funds",
        "created_at": NOW,
        "asked_at": NOW,
    }
    return ChargeRow(**{**defaults, **values})


def in_order(*rows: Base) -> list[Base]:
    """The rows with those first that others point to."""
    places = {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}
    return sorted(rows, key=lambda row: places[row.__tablename__])


async def put(session: AsyncSession, *rows: Base) -> None:
    """Insert them, all of a table at once: one by one, they took longer than what a test asks then."""
    for _, alike in groupby(in_order(*rows), key=type):
        session.add_all(alike)
        await session.flush()
