"""Money from its rows: what moved, what was paid and what went back, at what instant and for what."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables import BalanceRow, ChargeRow, DisputeRow, InvoiceRow, RefundRow

OURS = ("subscription", "pass")
"""What of the account's money is for something that we sell."""
NEVER_TAKEN = ("failed", "canceled")
_CHARGES = ("charge", "charge_failure", "partial_capture_reversal")
"""A bank debit that came back after it was booked, and what of an authorisation wasn't taken, are less."""
_REFUNDS = ("refund", "refund_failure")
_DISPUTES = ("dispute", "dispute_reversal")
When = Callable[[ColumnElement[datetime]], ColumnElement[bool]]
"""Which instants are asked for: a condition of a column."""
Rows = Callable[[When], FromClause]


def revenue_rows(when: When) -> FromClause:
    """The balance's moves for what we sell, and the tax of invoices that were paid, by what they were
    paid with: `at`, and the columns of RevenueDay but its day.
    """
    move, bill = BalanceRow, InvoiceRow
    paid_at: ColumnElement[datetime] = bill.__table__.c.paid_at
    nothing = literal(0)
    moves = select(
        move.created_at.label("at"), move.sold.label("sold"), _text(move.offer_id, "offer_id"),
        move.method.label("method"), move.country.label("country"), move.currency.label("currency"),
        _where(move.category.in_(_CHARGES), move.amount).label("charged"),
        _where(move.category.in_(_REFUNDS), -move.amount).label("refunded"),
        _where(move.category.in_(_DISPUTES), -move.amount).label("disputed"),
        move.fee.label("fees"), move.fee_tax.label("fee_tax"), move.net.label("net"),
        nothing.label("tax"),
    ).where(move.sold.in_(OURS), when(move.created_at.expression))  # fmt: skip
    taxes = select(
        paid_at.label("at"), literal(OURS[0]).label("sold"), _text(bill.offer_id, "offer_id"),
        _paid_with(ChargeRow.method).label("method"), _paid_with(ChargeRow.country).label("country"),
        bill.currency.label("currency"),
        *(nothing.label(each) for each in ("charged", "refunded", "disputed", "fees", "fee_tax", "net")),
        bill.tax.label("tax"),
    ).where(bill.offer_id.is_not(None), bill.status == "paid", bill.tax != 0, when(paid_at))  # fmt: skip
    return union_all(moves, taxes).subquery("revenue_rows")


_BACK = ("charges", "refunds", "disputes")


def money_back_rows(when: When, of: Collection[str] = _BACK) -> FromClause:
    """Paid charges for what we sell, their refunds and their disputes: `at`, `id`, `charge_id`, and the
    columns of MoneyBackDay but its day. `of` one of them they are found in the order of an index.
    """
    charge = ChargeRow
    counted: tuple[tuple[str, Any, ColumnElement[bool]], ...] = (
        ("charges", charge, charge.status == "succeeded"),
        ("refunds", RefundRow, RefundRow.status.not_in(NEVER_TAKEN)),
        ("disputes", DisputeRow, DisputeRow.status.not_like("warning%")),
    )
    found = []
    for what, table, condition in counted:
        if what not in of:
            continue
        rows = select(
            table.created_at.label("at"), literal(what).label("what"),
            _text(charge.offer_id, "offer_id"), charge.method.label("method"),
            charge.country.label("country"), charge.currency.label("currency"),
            literal(1).label("number"), table.amount.label("amount"),
            table.id.label("id"), charge.id.label("charge_id"),
        ).where(charge.sold.in_(OURS), condition, when(table.created_at.expression))  # fmt: skip
        found.append(
            rows if table is charge else rows.join_from(table, charge, charge.id == table.charge_id)
        )
    together = found[0] if len(found) == 1 else union_all(*found)
    return together.subquery("money_back_rows")


def _text(column: InstrumentedAttribute[str | None], name: str) -> ColumnElement[str]:
    return func.coalesce(column, "").label(name)


def _where(condition: ColumnElement[bool], amount: Any) -> ColumnElement[int]:
    return case((condition, amount), else_=0)


def _paid_with(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """Of the charge that paid the invoice; empty: none did."""
    paid = and_(ChargeRow.invoice_id == InvoiceRow.id, ChargeRow.status == "succeeded")
    return func.coalesce(select(func.max(column)).where(paid).scalar_subquery(), "")
