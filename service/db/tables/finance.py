"""Money as Stripe has it, a row an object. They name nobody: a reader is found through what they bought.

Amounts are integers in the minor unit of `currency` (three capitals), of 64 bits: a payout in rupiah
soon exceeds 32. `asked_at` is when Stripe was asked for what the row says: nothing older overwrites it.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime, partial_index


class InvoiceRow(Base):
    """A final invoice, as in payments/books.py."""

    __tablename__ = "invoices"

    id: Mapped[str] = mapped_column(primary_key=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    offer_id: Mapped[str | None]
    """What it bills, by the prices and products on its lines; None: nothing of ours."""
    status: Mapped[str]
    billing_reason: Mapped[str]
    currency: Mapped[str]
    subtotal: Mapped[int] = mapped_column(BigInteger)
    discount: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    amount_due: Mapped[int] = mapped_column(BigInteger)
    amount_paid: Mapped[int] = mapped_column(BigInteger)
    amount_remaining: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    finalized_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    uncollectible_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt_count: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_invoices_status", "status"),)


class InvoicePaymentRow(Base):
    """Which invoice a payment intent pays."""

    __tablename__ = "invoice_payments"

    payment_id: Mapped[str] = mapped_column(primary_key=True)
    invoice_id: Mapped[str] = mapped_column(index=True)


class ChargeRow(Base):
    """A try to take money. What it is for is found by finance/links.py."""

    __tablename__ = "charges"

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str | None] = mapped_column(index=True)
    invoice_id: Mapped[str | None] = mapped_column(index=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    offer_id: Mapped[str | None]
    sold: Mapped[str] = mapped_column(server_default="other")
    """subscription or pass; other: it isn't for anything of ours."""
    attempt: Mapped[int] = mapped_column(server_default="1")
    """Which try of its payment it is, from 1."""
    status: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    method: Mapped[str]
    country: Mapped[str]
    failure: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # Few fail, and open payments are counted from those.
    __table_args__ = (
        Index("ix_charges_newest", "created_at", "id"),
        partial_index(
            "ix_charges_failed", "invoice_id", "created_at",
            where="status = 'failed'",
        ),
    )  # fmt: skip


class DunningEpisode(Base):
    """What became of an invoice after a charge failed, from its row and its charges (finance/episodes.py)."""

    __tablename__ = "dunning_episodes"

    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    recovered_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    decline: Mapped[str]
    """Why the last charge failed."""
    tries: Mapped[int]
    """How many failed."""
    currency: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    """What was due."""
    offer_id: Mapped[str | None]
    """The invoice's."""


class RefundRow(Base):
    __tablename__ = "refunds"

    id: Mapped[str] = mapped_column(primary_key=True)
    charge_id: Mapped[str | None] = mapped_column(index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DisputeRow(Base):
    __tablename__ = "disputes"

    id: Mapped[str] = mapped_column(primary_key=True)
    charge_id: Mapped[str] = mapped_column(index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BalanceRow(Base):
    """A balance transaction. What it is for is its charge's, repeated here: reports add up many."""

    __tablename__ = "balance_entries"

    id: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str]
    source_id: Mapped[str | None] = mapped_column(index=True)
    charge_id: Mapped[str | None] = mapped_column(index=True)
    """The charge that it is about: itself, or that of the refund or dispute."""
    sold: Mapped[str] = mapped_column(server_default="")
    """As of the charge; empty: it is about none, such as a payout."""
    offer_id: Mapped[str | None]
    method: Mapped[str] = mapped_column(server_default="")
    country: Mapped[str] = mapped_column(server_default="")
    amount: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    fee_tax: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    payout_id: Mapped[str | None] = mapped_column(index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PayoutRow(Base):
    __tablename__ = "payouts"

    id: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    status: Mapped[str]
    failure: Mapped[str]
    is_automatic: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    arrives_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MoneyFilling(Base):
    """How far the first reading of one of Stripe's lists has come (finance/filling.py)."""

    __tablename__ = "money_fillings"

    kind: Mapped[str] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_over: Mapped[bool]
