"""The money of a multitude, as finance/ keeps it: what each payment left behind, a row an object.

One payment in a hundred is refunded and one in a thousand disputed. Each day's moves of the balance are
paid out three days later. Nothing is held in memory but the sums of the payouts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from service.db.base import Base
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoicePaymentRow,
    InvoiceRow,
    PayoutRow,
    RefundRow,
)

_DAY = timedelta(days=1)
_METHODS = ("card", "card", "card", "sepa_debit")
_COUNTRIES = ("DE", "DE", "DE", "AT", "CH", "US")
_DECLINES = ("insufficient_funds", "expired_card", "do_not_honor", "generic_decline")
_REFUNDED_OF, _DISPUTED_OF = 100, 1_000
_DISPUTE_FEE = 1_500


class Payment(NamedTuple):
    """One invoice and what became of it: `declines` charges failed, two days apart, before the last.

    `paid_at` None: it is lost, given up at `lost_at`, or still open. `luck` decides what is left to chance.
    """

    key: str
    subscription: str
    offer: str
    amount: int
    currency: str
    at: datetime
    is_first: bool
    declines: int
    paid_at: datetime | None
    lost_at: datetime | None
    luck: int

    @property
    def charge(self) -> str:
        """The one that succeeded."""
        return f"ch_{self.key}"

    @property
    def card(self) -> tuple[str, str]:
        """Method and country."""
        luck = self.luck // 7
        return _METHODS[luck % len(_METHODS)], _COUNTRIES[luck % len(_COUNTRIES)]

    @property
    def fee(self) -> int:
        return 25 + self.amount * 15 // 1_000


class _Move(NamedTuple):
    """Of the balance."""

    id: str
    category: str
    source: str
    of: Payment
    amount: int
    fee: int
    at: datetime

    @property
    def day(self) -> date:
        return self.at.date()


Payments = Callable[[], Iterable[Payment]]
Table = tuple[type[Base], Sequence[str], Iterable[Sequence[Any]]]


def money_tables(payments: Payments, now: datetime) -> Iterator[Table]:
    """Every table of money with its columns and rows; `payments` begins anew at each call."""
    yield InvoiceRow, _INVOICE, _invoices(payments(), now)
    yield (
        InvoicePaymentRow, ("payment_id", "invoice_id"),
        ((f"pi_{each.key}", f"in_{each.key}") for each in payments()),
    )  # fmt: skip
    yield ChargeRow, _CHARGE, _charges(payments(), now)
    yield RefundRow, _REFUND, _refunds(payments(), now)
    yield DisputeRow, _DISPUTE, _disputes(payments(), now)
    yield BalanceRow, _MOVE, _balance(payments(), now)
    paid_out = _paid_out(payments(), now)
    yield PayoutRow, _PAYOUT, _payouts(paid_out, now)
    yield BalanceRow, _MOVE, _own_moves(paid_out, now)


def _invoices(payments: Iterable[Payment], now: datetime) -> Iterator[Sequence[Any]]:
    for each in payments:
        status, paid, next_try = "paid", each.amount, None
        if each.paid_at is None:
            status, paid = ("open", 0) if each.lost_at is None else ("uncollectible", 0)
            next_try = now + _DAY if each.lost_at is None else None
        yield (
            f"in_{each.key}", each.subscription, each.offer, status,
            "subscription_create" if each.is_first else "subscription_cycle", each.currency,
            each.amount, 0, each.amount * 7 // 107, each.amount, each.amount, paid,
            each.amount - paid, each.at, each.at, each.paid_at, each.lost_at,
            each.declines + (each.paid_at is not None), next_try, now,
        )  # fmt: skip


def _charges(payments: Iterable[Payment], now: datetime) -> Iterator[Sequence[Any]]:
    for each in payments:
        about = (
            f"pi_{each.key}", f"in_{each.key}", each.subscription, each.offer, "subscription",
        )  # fmt: skip
        money = (each.amount, each.currency, *each.card)
        for n in range(each.declines):
            why, at = _DECLINES[(each.luck + n) % len(_DECLINES)], each.at + 2 * n * _DAY
            yield f"{each.charge}_{n}", *about, n + 1, "failed", *money, why, at, now
        if each.paid_at is not None:
            number = each.declines + 1
            yield each.charge, *about, number, "succeeded", *money, "", each.paid_at, now


def _refunded_at(of: Payment, now: datetime) -> datetime | None:
    if of.luck % _REFUNDED_OF or of.paid_at is None:
        return None
    at = of.paid_at + 3 * _DAY
    return at if at < now else None


def _disputed_at(of: Payment, now: datetime) -> datetime | None:
    if of.luck % _DISPUTED_OF != 1 or of.paid_at is None:
        return None
    at = of.paid_at + 20 * _DAY
    return at if at < now else None


def _refunds(payments: Iterable[Payment], now: datetime) -> Iterator[Sequence[Any]]:
    for each in payments:
        if (at := _refunded_at(each, now)) is not None:
            yield (
                f"re_{each.key}", each.charge, each.amount, each.currency, "succeeded",
                "requested_by_customer", at, now,
            )  # fmt: skip


def _disputes(payments: Iterable[Payment], now: datetime) -> Iterator[Sequence[Any]]:
    for each in payments:
        if (at := _disputed_at(each, now)) is not None:
            due = at + 9 * _DAY
            status = "needs_response" if now < due else _end(each)
            yield (
                f"du_{each.key}", each.charge, each.amount, each.currency, status, "fraudulent", due,
                at, now,
            )  # fmt: skip


def _end(of: Payment) -> str:
    """Of a dispute."""
    return ("won", "lost", "lost")[of.luck % 3]


def _moves(payments: Iterable[Payment], now: datetime) -> Iterator[_Move]:
    for each in payments:
        if each.paid_at is None:
            continue
        key, amount = each.key, each.amount
        yield _Move(f"txn_{key}", "charge", each.charge, each, amount, each.fee, each.paid_at)
        if (at := _refunded_at(each, now)) is not None:
            yield _Move(f"txn_{key}_r", "refund", f"re_{key}", each, -amount, 0, at)
        if (at := _disputed_at(each, now)) is not None:
            dispute = f"du_{key}"
            yield _Move(f"txn_{key}_d", "dispute", dispute, each, -amount, _DISPUTE_FEE, at)
            decided = at + 9 * _DAY
            if decided <= now and _end(each) == "won":
                yield _Move(
                    f"txn_{key}_w", "dispute_reversal", dispute, each, amount, -_DISPUTE_FEE, decided
                )  # fmt: skip


def _balance(payments: Iterable[Payment], now: datetime) -> Iterator[Sequence[Any]]:
    for each in _moves(payments, now):
        of, fee = each.of, each.fee
        # As at the local Stripe: what a dispute costs has no tax in it.
        fee_tax = fee * 19 // 119 if each.category == "charge" else 0
        yield (
            each.id, each.category, each.source, of.charge, "subscription", of.offer, *of.card,
            each.amount, fee, fee_tax, each.amount - fee, of.currency,
            each.at, each.at + 2 * _DAY, _payout_of(each.day, of.currency, now), now,
        )  # fmt: skip


def _payout_of(day: date, currency: str, now: datetime) -> str | None:
    """That of what moved on a day; None: not yet."""
    return f"po_{day}_{currency}" if _midnight(day + 2 * _DAY) < now else None


def _paid_out(payments: Iterable[Payment], now: datetime) -> Counter[tuple[date, str]]:
    """The net of each day and currency that is paid out."""
    found: Counter[tuple[date, str]] = Counter()
    for each in _moves(payments, now):
        found[each.day, each.of.currency] += each.amount - each.fee
    return Counter({key: net for key, net in found.items() if _payout_of(*key, now)})


def _payouts(of: Counter[tuple[date, str]], now: datetime) -> Iterator[Sequence[Any]]:
    for (day, currency), net in of.items():
        arrives = _midnight(day + 3 * _DAY)
        yield (
            _payout_of(day, currency, now), net, currency, "paid" if arrives <= now else "in_transit",
            "", True, _midnight(day + 2 * _DAY), arrives, now,
        )  # fmt: skip


def _own_moves(of: Counter[tuple[date, str]], now: datetime) -> Iterator[Sequence[Any]]:
    """What the payouts themselves take from the balance."""
    for (day, currency), net in of.items():
        payout, at = _payout_of(day, currency, now), _midnight(day + 2 * _DAY)
        yield (
            f"txn_{payout}", "payout", payout, None, "", None, "", "", -net, 0, 0, -net, currency,
            at, at, payout, now,
        )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


_INVOICE = (
    "id", "subscription_id", "offer_id", "status", "billing_reason", "currency", "subtotal",
    "discount", "tax", "total", "amount_due", "amount_paid", "amount_remaining", "created_at",
    "finalized_at", "paid_at", "uncollectible_at", "attempt_count", "next_attempt_at", "asked_at",
)  # fmt: skip
_CHARGE = (
    "id", "payment_id", "invoice_id", "subscription_id", "offer_id", "sold", "attempt", "status",
    "amount", "currency", "method", "country", "failure", "created_at", "asked_at",
)  # fmt: skip
_REFUND = (
    "id", "charge_id", "amount", "currency", "status", "reason", "created_at", "asked_at",
)  # fmt: skip
_DISPUTE = (
    "id", "charge_id", "amount", "currency", "status", "reason", "due_at", "created_at", "asked_at",
)  # fmt: skip
_MOVE = (
    "id", "category", "source_id", "charge_id", "sold", "offer_id", "method", "country", "amount",
    "fee", "fee_tax", "net", "currency", "created_at", "available_at", "payout_id", "asked_at",
)  # fmt: skip
_PAYOUT = (
    "id", "amount", "currency", "status", "failure", "is_automatic", "created_at", "arrives_at",
    "asked_at",
)  # fmt: skip
