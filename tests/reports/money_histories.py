"""Random histories of money, and their figures in plain Python, written without the queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from service.db.base import Base
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoiceRow,
    Offer,
    PayoutRow,
    RefundRow,
)
from service.reports.period import Period
from tests.reports import rows

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 100
"""From a midnight of UTC, over two changes of clocks."""
OURS = {"subscription", "pass"}
Key = tuple[str, str, str, int | None]
"""Series, split, currency and step; None: the period."""

_hours = st.integers(0, DAYS * 24)
sales = st.lists(
    st.fixed_dictionaries(
        {
            "sold": st.sampled_from(["subscription", "subscription", "pass", "other"]),
            "offer": st.sampled_from([0, 1, 2]),
            "currency": st.sampled_from(["EUR", "CHF", "JPY"]),
            "method": st.sampled_from(["card", "sepa_debit", ""]),
            "country": st.sampled_from(["DE", "US", ""]),
            "amount": st.integers(50, 5000),
            "fee": st.integers(0, 90),
            "tax": st.integers(0, 40),
            "hour": _hours,
            "declines": st.lists(
                st.tuples(st.integers(0, 90), st.sampled_from(["insufficient_funds", "lost_card"])),
                max_size=3,
            ),
            "ends": st.sampled_from(["paid", "paid", "open", "void", "uncollectible"]),
            "tried_again": st.booleans(),
            "first_payment": st.booleans(),
            "refunds": st.lists(
                st.tuples(
                    _hours, st.integers(1, 900), st.sampled_from(["succeeded", "pending", "failed"])
                ),
                max_size=2,
            ),
            "came_back": st.none()
            | st.tuples(_hours, st.sampled_from(["charge_failure", "partial_capture_reversal"])),
            "dispute": st.none()
            | st.tuples(
                _hours, st.sampled_from(["lost", "won", "needs_response", "warning_closed"])
            ),
        }
    ),
    min_size=1,
    max_size=8,
)
paid_out = st.lists(
    st.tuples(
        _hours, st.integers(1, 9000), st.sampled_from(["EUR", "JPY"]),
        st.sampled_from(["paid", "in_transit", "failed", "canceled"]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@dataclass
class Told:
    """The rows of a history, as they would be exported."""

    offers: list[Offer] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    refunds: list[RefundRow] = field(default_factory=list)
    disputes: list[DisputeRow] = field(default_factory=list)
    moves: list[BalanceRow] = field(default_factory=list)
    payouts: list[PayoutRow] = field(default_factory=list)

    def all(self) -> Iterator[Base]:
        for each in (
            self.offers, self.invoices, self.charges, self.refunds, self.disputes, self.moves,
            self.payouts,
        ):  # fmt: skip
            yield from each


def _at(hour: int) -> datetime:
    return BEGIN + timedelta(hours=hour)


def told(drawn: Iterable[dict[str, Any]], payouts: Iterable[tuple[int, int, str, str]]) -> Told:
    """Rows as they are kept of these sales."""
    found = Told([rows.offer(name="Digital"), rows.offer(name="Weekend", plan="weekend"),
                  rows.offer(name="Digital", kind="gift")])  # fmt: skip
    for number, sale in enumerate(drawn):
        _sell(found, number, sale)
    for number, (hour, amount, currency, status) in enumerate(payouts):
        found.payouts.append(
            PayoutRow(
                id=f"po_{number}", amount=amount, currency=currency, status=status, failure="",
                is_automatic=True, created_at=_at(hour), arrives_at=_at(hour + 48),
                asked_at=BEGIN,
            )
        )  # fmt: skip
    return found


def _sell(found: Told, number: int, sale: dict[str, Any]) -> None:
    offer = found.offers[sale["offer"]].id if sale["sold"] in OURS else None
    invoice = f"in_{number}" if sale["sold"] == "subscription" else None
    tries = sorted(sale["declines"]) if invoice else []
    about = {
        "sold": sale["sold"], "offer_id": offer, "method": sale["method"], "country": sale["country"],
    }  # fmt: skip
    for place, (hours, decline) in enumerate(tries, start=1):
        found.charges.append(
            ChargeRow(
                id=f"ch_{number}_{place}", payment_id=f"pi_{number}", invoice_id=invoice,
                subscription_id=None, attempt=place, status="failed", amount=sale["amount"],
                currency=sale["currency"], failure=decline, created_at=_at(sale["hour"] + hours),
                asked_at=BEGIN, **about,
            )
        )  # fmt: skip
    last = _at(sale["hour"] + max((hours for hours, _ in tries), default=0) + 1)
    if invoice:
        _bill(found, sale, invoice, offer, last)
    if invoice and sale["ends"] != "paid":
        return
    charge = f"ch_{number}"
    found.charges.append(
        ChargeRow(
            id=charge, payment_id=f"pi_{number}", invoice_id=invoice, subscription_id=None,
            attempt=len(tries) + 1, status="succeeded", amount=sale["amount"],
            currency=sale["currency"], failure="", created_at=last, asked_at=BEGIN, **about,
        )
    )  # fmt: skip
    _move(found, sale, charge, charge, "charge", sale["amount"], sale["fee"], last)
    if sale["came_back"] is not None:
        hour, category = sale["came_back"]
        _move(found, sale, charge, charge, category, -sale["amount"], 0, _at(hour))
    for place, (hour, amount, status) in enumerate(sale["refunds"]):
        refund = f"re_{number}_{place}"
        found.refunds.append(
            RefundRow(
                id=refund, charge_id=charge, amount=amount, currency=sale["currency"], status=status,
                reason="", created_at=_at(hour), asked_at=BEGIN,
            )
        )  # fmt: skip
        _move(found, sale, charge, refund, "refund", -amount, 0, _at(hour))
        if status == "failed":
            _move(found, sale, charge, refund, "refund_failure", amount, 0, _at(hour + 5))
    if sale["dispute"] is not None:
        _dispute(found, sale, number, *sale["dispute"])


def _bill(
    found: Told, sale: dict[str, Any], invoice: str, offer: str | None, last: datetime
) -> None:
    ends = sale["ends"]
    found.invoices.append(
        InvoiceRow(
            id=invoice, subscription_id=None, offer_id=offer, status=ends,
            billing_reason="subscription_create" if sale["first_payment"] else "subscription_cycle",
            currency=sale["currency"], subtotal=sale["amount"], discount=0, tax=sale["tax"],
            total=sale["amount"], amount_due=sale["amount"],
            amount_paid=sale["amount"] if ends == "paid" else 0,
            amount_remaining=0 if ends == "paid" else sale["amount"],
            created_at=_at(sale["hour"]), finalized_at=_at(sale["hour"]),
            paid_at=last if ends == "paid" else None,
            voided_at=last if ends == "void" else None,
            uncollectible_at=last if ends == "uncollectible" else None,
            attempt_count=len(sale["declines"]),
            next_attempt_at=last if ends == "open" and sale["tried_again"] else None,
            asked_at=BEGIN,
        )
    )  # fmt: skip


def _dispute(found: Told, sale: dict[str, Any], number: int, hour: int, status: str) -> None:
    dispute, amount = f"du_{number}", sale["amount"]
    found.disputes.append(
        DisputeRow(
            id=dispute, charge_id=f"ch_{number}", amount=amount, currency=sale["currency"],
            status=status, reason="fraudulent", due_at=None, created_at=_at(hour), asked_at=BEGIN,
        )
    )  # fmt: skip
    if not status.startswith("warning"):
        _move(found, sale, f"ch_{number}", dispute, "dispute", -amount, 1500, _at(hour))
    if status == "won":
        _move(
            found, sale, f"ch_{number}", f"{dispute}", "dispute_reversal", amount, -1500,
            _at(hour + 200),
        )  # fmt: skip


def _move(
    found: Told, sale: dict[str, Any], charge: str, source: str, category: str, amount: int,
    fee: int, at: datetime,
) -> None:  # fmt: skip
    offer = found.offers[sale["offer"]].id if sale["sold"] in OURS else None
    found.moves.append(
        BalanceRow(
            id=f"txn_{len(found.moves)}", category=category, source_id=source, charge_id=charge,
            sold=sale["sold"], offer_id=offer, method=sale["method"], country=sale["country"],
            amount=amount, fee=fee, fee_tax=fee // 10, net=amount - fee,
            currency=sale["currency"], created_at=at, available_at=at, payout_id=None,
            asked_at=BEGIN,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Oracle:
    """The figures of exported rows over a period: values by series, split, currency and step."""

    told: Told
    period: Period
    zone: ZoneInfo
    split: str

    def revenue(self) -> dict[Key, int]:
        sums: defaultdict[Key, int] = defaultdict(int)
        for move in self.told.moves:
            if move.sold not in OURS:
                continue
            parts = {"fees": move.fee, "fee_tax": move.fee_tax, "net": move.net}
            if move.category in {"charge", "charge_failure", "partial_capture_reversal"}:
                parts[self._sold(move)] = move.amount
            elif "refund" in move.category:
                parts["refunded"] = -move.amount
            else:
                parts["disputed"] = -move.amount
            for series, amount in parts.items():
                self._add(sums, series, self._of(move), move.currency, move.created_at, amount)
        paid = {each.invoice_id: each for each in self.told.charges if each.status == "succeeded"}
        for invoice in self.told.invoices:
            if invoice.paid_at is not None and invoice.offer_id is not None:
                split = self._of(paid[invoice.id])
                self._add(sums, "tax", split, invoice.currency, invoice.paid_at, invoice.tax)
        return sums

    def _sold(self, move: BalanceRow) -> str:
        if move.sold == "subscription":
            return "subscriptions"
        return "gifts" if move.offer_id == self.told.offers[2].id else "passes"

    def money_back(self) -> dict[Key, int]:
        """Counts have no currency, sums have."""
        sums: defaultdict[Key, int] = defaultdict(int)
        charges = {each.id: each for each in self.told.charges if each.sold in OURS}
        found: list[tuple[str, str, ChargeRow, Any]] = [
            ("charges", "charged", each, each)
            for each in charges.values()
            if each.status == "succeeded"
        ]
        found += [
            ("refunds", "refunded", charges[each.charge_id or ""], each)
            for each in self.told.refunds
            if each.charge_id in charges and each.status not in {"failed", "canceled"}
        ]
        found += [
            ("disputes", "disputed", charges[each.charge_id], each)
            for each in self.told.disputes
            if each.charge_id in charges and not each.status.startswith("warning")
        ]
        for count, amount, charge, row in found:
            split = self._of(charge)
            self._add(sums, count, split, "", row.created_at, 1)
            self._add(sums, amount, split, charge.currency, row.created_at, row.amount)
        return sums

    def dunning(self) -> dict[Key, int]:
        sums: defaultdict[Key, int] = defaultdict(int)
        for invoice in self.told.invoices:
            failed = sorted(
                (each.created_at, each.id, each.failure)
                for each in self.told.charges
                if each.invoice_id == invoice.id and each.status == "failed"
            )
            if not failed or invoice.billing_reason == "subscription_create":
                continue
            offer = next((o for o in self.told.offers if o.id == invoice.offer_id), None)
            split = {
                "offer": offer.id if offer else "unknown",
                "plan": offer.plan if offer else "unknown",
                "": "", "decline": failed[-1][2], "tries": str(len(failed)),
                "currency": invoice.currency,
            }[self.split]  # fmt: skip
            stopped = invoice.status == "open" and invoice.next_attempt_at is None
            moments = {
                "begun": failed[0][0],
                "recovered": invoice.paid_at,
                "lost": invoice.voided_at or invoice.uncollectible_at
                or (failed[-1][0] if stopped else None),
            }  # fmt: skip
            for series, at in moments.items():
                if at is not None:
                    self._add(sums, series, split, "", at, 1)
                    self._add(
                        sums, f"{series}_amount", split, invoice.currency, at, invoice.amount_due
                    )
        return sums

    def payouts(self) -> dict[Key, int]:
        sums: defaultdict[Key, int] = defaultdict(int)
        for payout in self.told.payouts:
            if payout.status in {"paid", "in_transit", "pending"}:
                self._add(sums, "all", "", payout.currency, payout.arrives_at, payout.amount)
        return sums

    def _of(self, row: ChargeRow | BalanceRow) -> str:
        offers = {each.id: each for each in self.told.offers}
        offer = offers[row.offer_id] if row.offer_id is not None else None
        return {
            "": "", "currency": row.currency, "method": row.method or "unknown",
            "country": row.country or "unknown", "offer": offer.id if offer else "unknown",
            "plan": offer.plan if offer else "unknown",
        }[self.split]  # fmt: skip

    def _add(
        self, sums: defaultdict[Key, int], series: str, split: str, currency: str, at: datetime,
        amount: int,
    ) -> None:  # fmt: skip
        day = at.astimezone(self.zone).date()
        for number, step in enumerate(self.period.steps):
            if step.first <= day <= step.last:
                sums[series, split, currency, number] += amount
                sums[series, split, currency, None] += amount


def share(part: int, whole: int) -> Fraction | None:
    """None: of fewer than twenty a share says nothing."""
    return Fraction(part, whole) if whole >= 20 else None
