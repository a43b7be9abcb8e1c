"""What the invented sales brought in: invoices, charges, fees, refunds, disputes and weekly payouts.

They are the objects that Stripe would list, with what they are for as finance/links.py writes it. Of each
subscription's latest invoice the local Stripe says the same (samples.py), in its own fees.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any, Literal

from service.db.tables import Offer, Pass
from service.demo.history.lives import Life
from service.demo.history.year import drawn, shares, stable_id
from service.payments.books import (
    BalanceEntry,
    Booked,
    BookedCharge,
    BookedDispute,
    BookedInvoice,
    BookedLine,
    BookedPayout,
    BookedRefund,
)
from service.payments.gateway import StripeCharge, StripeInvoice
from service.simulator.payments.balance import available_on, payment_fees
from service.simulator.payments.disputes import ANSWER_WITHIN, FEE
from service.simulator.payments.payouts import ARRIVES_AFTER

METHOD, _HOME = "card", "US"
_COUNTRIES = shares(IE=44, GB=23, DE=10, PT=9, FR=7, NL=4, ES=3)
"""Of the cards that pay in euros."""
_ARRIVES_AFTER = timedelta(seconds=ARRIVES_AFTER)
_ANSWER_WITHIN = timedelta(seconds=ANSWER_WITHIN)
_WEEK = timedelta(days=7)
_DECLINES = shares(
    insufficient_funds=58, do_not_honor=17, generic_decline=15, transaction_not_allowed=6, lost_card=4,
)  # fmt: skip
_NOBODYS: Mapping[str, Any] = {
    "charge_id": None, "sold": "", "offer_id": None, "method": "", "country": "",
}  # fmt: skip


@dataclass(frozen=True)
class Entered:
    """An object of Stripe's, and our own columns of its row."""

    booked: Booked
    ours: Mapping[str, Any]


def decline_of(invoice_id: str) -> str:
    """The bank's word for what it refuses of this invoice."""
    return _DECLINES.choose(drawn("decline", invoice_id))


def charge_of(payment: Pass) -> str:
    """The id of the charge that paid for it."""
    return stable_id("ch", payment.id)


def move_of(charge_id: str) -> str:
    """The id of what the charge moved in the balance."""
    return stable_id("txn", charge_id)


def trial_invoice_of(life: Life) -> str:
    """The id of the invoice of nothing that a trial begins with."""
    return stable_id("in", life.number, "trial")


def available_at(paid_at: datetime) -> datetime:
    return datetime.fromtimestamp(available_on(int(paid_at.timestamp())), UTC)


def country_of(customer_id: str, currency: str) -> str:
    """Of the customer's card."""
    if currency.upper() == "USD":
        return _HOME
    return _COUNTRIES.choose(drawn("country", customer_id))


@cache
def _fees(amount: int, currency: str, country: str) -> tuple[int, int]:
    """The whole fee of a payment, and what of it is tax."""
    details = {"type": METHOD, METHOD: {"country": country}}
    fee, tax = payment_fees(
        {"amount": amount, "currency": currency, "payment_method_details": details}
    )
    return fee["amount"] + tax["amount"], tax["amount"]


@dataclass
class Takings:
    """What `is_new` of it. `invoice_of` says which invoice a payment pays, `payouts` in which payout a
    move of the balance is.
    """

    is_new: Callable[[datetime], bool]
    entered: list[Entered] = field(default_factory=list)
    moves: list[Entered] = field(default_factory=list)
    invoice_of: dict[str, str] = field(default_factory=dict)
    payouts: dict[str, str] = field(default_factory=dict)

    def note_life(self, life: Life, offers: Mapping[str, Offer]) -> None:
        """All that a subscription was billed; `offers` by the price's id."""
        if life.course.trial and self.is_new(life.course.started_at):
            self.entered.append(Entered(_trial_invoice(life), {"offer_id": life.sold.offer_id}))
        country = country_of(life.customer_id, life.price.currency)
        tries: dict[str, list[StripeCharge]] = {}
        for charge in life.charges:
            tries.setdefault(charge.payment_intent_id or "", []).append(charge)
        for number, invoice in enumerate(life.invoices, start=1):
            (payment,) = invoice.payments
            if not self.is_new(tries[payment][-1].created_at):
                continue
            given_up = life.end == "failed" and number == len(life.invoices)
            line = BookedLine(invoice.lines[0].price_id or "", "", invoice.lines[0].amount)
            offer = offers[line.price_id]
            booked = _invoice(invoice, line, given_up=given_up)
            self.entered.append(Entered(booked, {"offer_id": offer.id}))
            self.invoice_of[payment] = invoice.id
            about = {
                "invoice_id": invoice.id, "subscription_id": life.id, "offer_id": offer.id,
                "sold": "subscription",
            }  # fmt: skip
            for attempt, charge in enumerate(tries[payment], start=1):
                failure = "" if charge.status == "succeeded" else decline_of(invoice.id)
                booked_charge = BookedCharge(
                    charge.id, payment, charge.status, charge.amount, charge.currency.upper(), METHOD,
                    country, failure, charge.created_at,
                )  # fmt: skip
                self._charge(booked_charge, {**about, "attempt": attempt})
        self._taken_back(life, offers)

    def note_pass(self, row: Pass) -> None:
        """A pass that was paid for."""
        charge = BookedCharge(
            charge_of(row), row.id, "succeeded", row.amount, row.currency, METHOD,
            country_of(row.customer_id or "", row.currency), "", row.paid_at,
            checkout_id=row.checkout_id,
        )  # fmt: skip
        about = {
            "invoice_id": None, "subscription_id": None, "offer_id": row.offer_id, "sold": "pass",
        }  # fmt: skip
        self._charge(charge, {**about, "attempt": 1})

    def pay_out(self, since: datetime | None, until: datetime) -> None:
        """Put what can be paid out into a payout each Monday since then, as far as it has arrived by the end.

        The rest is left to the local Stripe, which pays out each night.
        """
        found = [each.booked for each in self.moves if isinstance(each.booked, BalanceEntry)]
        for payout in payouts_of(found, since, until):
            *parts, own = payout.entries
            self.payouts |= {each.id: payout.id for each in parts}
            self.entered.append(Entered(payout, {}))
            self.moves.append(Entered(own, _NOBODYS))

    def rows(self) -> Iterator[Entered]:
        """Everything, each move of the balance with its payout."""
        yield from self.entered
        for each in self.moves:
            payout = self.payouts.get(each.booked.id)
            if payout is not None and isinstance(each.booked, BalanceEntry):
                yield replace(each, booked=replace(each.booked, payout_id=payout))
            else:
                yield each

    def _charge(self, charge: BookedCharge, about: Mapping[str, Any]) -> None:
        if not self.is_new(charge.created_at):
            return
        self.entered.append(Entered(charge, about))
        if charge.status == "succeeded":
            fee, tax = _fees(charge.amount, charge.currency, charge.country)
            entry = _move(charge, "charge", charge.amount, fee, tax)
            entry = replace(entry, id=move_of(charge.id))
            self._moved(charge.id, entry, about["sold"], {**about, "country": charge.country})

    def _taken_back(self, life: Life, offers: Mapping[str, Offer]) -> None:
        """What went back to the reader, or was taken back by the bank: the latest charge."""
        country = country_of(life.customer_id, life.price.currency)
        about = {"offer_id": offers[life.price.id].id, "country": country}
        for refund in life.refunds:
            back = BookedRefund(
                refund.id, refund.charge_id, refund.amount, refund.currency.upper(), refund.status,
                "requested_by_customer", refund.created_at,
            )  # fmt: skip
            if self.is_new(back.created_at):
                self.entered.append(Entered(back, {}))
                entry = _move(back, "refund", -back.amount, 0, 0)
                self._moved(refund.charge_id or "", entry, "subscription", about)
        for dispute in life.disputes:
            charge = life.charges[-1]
            lost = BookedDispute(
                dispute.id, charge.id, charge.amount, charge.currency.upper(), dispute.status, "fraudulent",
                dispute.created_at + _ANSWER_WITHIN, dispute.created_at,
            )  # fmt: skip
            if self.is_new(lost.created_at):
                self.entered.append(Entered(lost, {}))
                entry = _move(lost, "dispute", -lost.amount, FEE, 0)
                self._moved(charge.id, entry, "subscription", about)

    def _moved(
        self,
        charge_id: str,
        entry: BalanceEntry,
        sold: Literal["subscription", "pass"],
        about: Mapping[str, Any],
    ) -> None:
        ours = {
            "charge_id": charge_id, "sold": sold, "offer_id": about["offer_id"], "method": METHOD,
            "country": about["country"],
        }  # fmt: skip
        self.moves.append(Entered(entry, ours))


def payouts_of(
    moves: Iterable[BalanceEntry], since: datetime | None, until: datetime
) -> Iterator[BookedPayout]:
    """Payouts of Mondays (UTC) since then that arrive by `until`, by currency; the last of each payout's
    entries is its own. Where more went back than came in, nothing is paid out.
    """
    by_currency: dict[str, list[BalanceEntry]] = {}
    for each in sorted(moves, key=lambda each: (each.available_at, each.id)):
        by_currency.setdefault(each.currency, []).append(each)
    for currency, waiting in by_currency.items():
        monday = _monday_from(since or waiting[0].available_at)
        taken = 0
        while monday + _ARRIVES_AFTER <= until:
            end = taken
            while end < len(waiting) and waiting[end].available_at <= monday:
                end += 1
            total = sum(each.net for each in waiting[taken:end])
            if total > 0:
                yield _payout(currency, monday, total, waiting[taken:end])
                taken = end
            monday += _WEEK


def _monday_from(at: datetime) -> datetime:
    day = (at + timedelta(days=1)).date()
    return datetime.combine(day + timedelta(days=-day.weekday() % 7), time(), UTC)


def _payout(currency: str, at: datetime, total: int, parts: list[BalanceEntry]) -> BookedPayout:
    payout = BookedPayout(
        stable_id("po", currency, at.isoformat()), total, currency, "paid", "", True, at,
        at + _ARRIVES_AFTER,
    )  # fmt: skip
    own = BalanceEntry(
        stable_id("txn", payout.id), "payout", payout.id, -total, 0, 0, -total, currency, at, at,
        payout.id,
    )  # fmt: skip
    return replace(payout, entries=(*parts, own))


def _move(
    source: BookedCharge | BookedRefund | BookedDispute,
    category: str,
    amount: int,
    fee: int,
    fee_tax: int,
) -> BalanceEntry:
    at = source.created_at
    return BalanceEntry(
        stable_id("txn", source.id), category, source.id, amount, fee, fee_tax, amount - fee,
        source.currency, at, available_at(at) if amount > 0 else at,
    )  # fmt: skip


def _invoice(invoice: StripeInvoice, line: BookedLine, *, given_up: bool) -> BookedInvoice:
    return BookedInvoice(
        id=invoice.id,
        subscription_id=invoice.subscription_id,
        status=invoice.status,
        billing_reason=invoice.billing_reason or "",
        currency=invoice.currency.upper(),
        subtotal=line.amount,
        discount=line.amount - invoice.amount_due,
        tax=0,
        total=invoice.amount_due,
        amount_due=invoice.amount_due,
        amount_paid=invoice.amount_paid,
        amount_remaining=invoice.amount_due - invoice.amount_paid,
        created_at=invoice.created_at,
        finalized_at=invoice.finalized_at,
        paid_at=invoice.paid_at,
        voided_at=None,
        uncollectible_at=None,
        attempt_count=invoice.attempt_count,
        next_attempt_at=None if given_up else invoice.next_attempt_at,
        payments=invoice.payments,
        lines=(line,),
    )


def _trial_invoice(life: Life) -> BookedInvoice:
    at = life.course.started_at
    return BookedInvoice(
        trial_invoice_of(life), life.id, "paid", "subscription_create", life.price.currency.upper(), 0, 0, 0, 0,
        0, 0, 0, at, at, at, None, None, 0, None,
    )  # fmt: skip
