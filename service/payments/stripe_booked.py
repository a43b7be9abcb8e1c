"""Stripe's JSON objects into the values of books.py, as stripe_objects.py does for all else."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.payments.books import (
    BalanceEntry,
    BookedCharge,
    BookedDispute,
    BookedInvoice,
    BookedLine,
    BookedPayout,
    BookedRefund,
)
from service.payments.stripe_objects import (
    instant,
    optional_instant,
    payments_of,
    reference,
    subscription_of_invoice,
)

JSON = Mapping[str, Any]
_TAX_FEES = frozenset({"tax", "withheld_tax"})


def invoice_of(document: JSON) -> BookedInvoice | None:
    """None for a draft: nothing is owed yet, and it may be deleted."""
    status = document.get("status") or "draft"
    if status == "draft":
        return None
    transitions = document.get("status_transitions") or {}
    return BookedInvoice(
        id=document["id"],
        subscription_id=subscription_of_invoice(document),
        status=status,
        billing_reason=document.get("billing_reason") or "",
        currency=document["currency"].upper(),
        subtotal=document["subtotal"],
        discount=_sum(document.get("total_discount_amounts")),
        tax=_sum(document.get("total_taxes")),
        total=document["total"],
        amount_due=document["amount_due"],
        amount_paid=document["amount_paid"],
        amount_remaining=document["amount_remaining"],
        created_at=instant(document["created"]),
        finalized_at=optional_instant(transitions.get("finalized_at")),
        paid_at=optional_instant(transitions.get("paid_at")),
        voided_at=optional_instant(transitions.get("voided_at")),
        uncollectible_at=optional_instant(transitions.get("marked_uncollectible_at")),
        attempt_count=document.get("attempt_count") or 0,
        next_attempt_at=optional_instant(document.get("next_payment_attempt")),
        payments=tuple(payments_of(document)),
        lines=tuple(_lines_of(document)),
    )


def _lines_of(invoice: JSON) -> Iterator[BookedLine]:
    for line in (invoice.get("lines") or {}).get("data") or ():
        details = (line.get("pricing") or {}).get("price_details") or {}
        if details.get("product"):
            price, product = reference(details.get("price")), reference(details["product"])
            yield BookedLine(price or "", product or "", line["amount"])


def _sum(amounts: Iterable[JSON] | None) -> int:
    return sum(each["amount"] for each in amounts or ())


def charge_of(document: JSON) -> BookedCharge:
    details = document.get("payment_method_details") or {}
    method = details.get("type") or ""
    return BookedCharge(
        id=document["id"],
        payment_id=reference(document.get("payment_intent")),
        status=document["status"],
        amount=document["amount"],
        currency=document["currency"].upper(),
        method=method,
        country=(details.get(method) or {}).get("country") or "",
        failure=_failure(document),
        created_at=instant(document["created"]),
        entries=tuple(_entries(document, "balance_transaction", "failure_balance_transaction")),
        checkout_id=(document.get("metadata") or {}).get("checkout"),
    )


def _failure(charge: JSON) -> str:
    """The bank's word says more than Stripe's: insufficient_funds, say, instead of card_declined."""
    if charge["status"] != "failed":
        return ""
    outcome = charge.get("outcome") or {}
    return outcome.get("reason") or charge.get("failure_code") or "unknown"


def refund_of(document: JSON) -> BookedRefund:
    return BookedRefund(
        id=document["id"],
        charge_id=reference(document.get("charge")),
        amount=document["amount"],
        currency=document["currency"].upper(),
        status=document.get("status") or "pending",
        reason=document.get("reason") or "",
        created_at=instant(document["created"]),
        entries=tuple(_entries(document, "balance_transaction", "failure_balance_transaction")),
    )


def dispute_of(document: JSON) -> BookedDispute:
    return BookedDispute(
        id=document["id"],
        charge_id=reference(document["charge"]) or "",
        amount=document["amount"],
        currency=document["currency"].upper(),
        status=document["status"],
        reason=document.get("reason") or "",
        due_at=optional_instant((document.get("evidence_details") or {}).get("due_by")),
        created_at=instant(document["created"]),
        entries=tuple(entry_of(each) for each in document.get("balance_transactions") or ()),
    )


def payout_of(document: JSON) -> BookedPayout:
    return BookedPayout(
        id=document["id"],
        amount=document["amount"],
        currency=document["currency"].upper(),
        status=document["status"],
        failure=document.get("failure_code") or "",
        is_automatic=bool(document["automatic"]),
        created_at=instant(document["created"]),
        arrives_at=instant(document["arrival_date"]),
    )


def entry_of(document: JSON) -> BalanceEntry:
    fees = document.get("fee_details") or ()
    return BalanceEntry(
        id=document["id"],
        category=document["reporting_category"],
        source_id=reference(document.get("source")),
        amount=document["amount"],
        fee=document["fee"],
        fee_tax=_sum(each for each in fees if each["type"] in _TAX_FEES),
        net=document["net"],
        currency=document["currency"].upper(),
        created_at=instant(document["created"]),
        available_at=instant(document["available_on"]),
    )


def _entries(document: JSON, *names: str) -> Iterator[BalanceEntry]:
    """Those that are expanded; Stripe may book one a little later than what it is about."""
    for name in names:
        found = document.get(name)
        if isinstance(found, Mapping):
            yield entry_of(found)
