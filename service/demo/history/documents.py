"""Which documents the local Stripe is to have of a subscription."""

from collections.abc import Mapping

from service.db.tables import Pass
from service.demo.history.copies import Copied, Kind, PaidOnce
from service.demo.history.lives import Life
from service.demo.history.people import Person
from service.demo.history.takings import (
    available_at,
    charge_of,
    country_of,
    decline_of,
    move_of,
    trial_invoice_of,
)
from service.demo.history.year import stable_id


def copied(life: Life, person: Person, payouts: Mapping[str, str]) -> tuple[Kind, Copied]:
    """Its kind, and what its copy has of its own; `payouts` as takings.py knows them."""
    invoice = life.invoices[-1] if life.invoices else None
    tries = life.tries if invoice is not None else 1
    paid_at = invoice.paid_at if invoice is not None else None
    kind = Kind.of(
        life.key, trial=life.course.trial, periods=life.periods_billed, tries=tries,
        paid=invoice is None or invoice.status == "paid", end=life.end, seats=life.seats,
        paused=life.resumes_at is not None,
    )  # fmt: skip
    billed = len(life.invoices)

    def other_id(prefix: str, place: int) -> str:
        match prefix:
            case "pm":
                return stable_id(prefix, life.customer_id)
            case "si" | "di":
                return stable_id(prefix, life.number)
            case "in":
                return life.invoices[0].id if life.invoices else trial_invoice_of(life)
            case "txn":
                return move_of(life.charges[-1].id)
            case _:
                return stable_id(prefix, life.number, billed, place)

    return kind, Copied(
        number=life.number, subscription_id=life.id, customer_id=life.customer_id,
        invoice_id=invoice.id if invoice is not None else None,
        payment_id=invoice.payments[0] if invoice is not None else None,
        # The payment names its latest charge before the others are listed.
        charge_ids=tuple(each.id for each in (*life.charges[-1:], *life.charges[-tries:-1])),
        other_id=other_id,
        name=person.name, email=person.email, fingerprint=life.fingerprint,
        country=country_of(life.customer_id, life.price.currency), resumes_at=life.resumes_at,
        feedback=life.feedback, started_at=life.course.started_at,
        trial_end=life.course.trial_end, since=life.since, until=life.until,
        asked_at=life.ended_at or life.asked_at, comment=life.comment,
        decline=decline_of(invoice.id) if invoice is not None else "",
        available_at=available_at(paid_at) if paid_at is not None else None,
        payouts=payouts,
    )  # fmt: skip


def copied_payment(
    row: Pass, person: Person, payouts: Mapping[str, str]
) -> tuple[PaidOnce, Copied]:
    """The same of a pass or a gift that was paid for."""
    at, charge = row.paid_at, charge_of(row)

    def other_id(prefix: str, place: int) -> str:
        match prefix:
            case "pm":
                return stable_id(prefix, person.customer_id)
            case "txn":
                return move_of(charge)
            case _:
                return stable_id(prefix, row.id, place)

    return PaidOnce(row.amount, row.currency), Copied(
        number=person.number, subscription_id="", customer_id=person.customer_id, invoice_id=None,
        payment_id=row.id, charge_ids=(charge,), other_id=other_id, name=person.name,
        email=person.email, fingerprint=stable_id("card", person.customer_id, length=16)[5:],
        country=country_of(person.customer_id, row.currency), feedback=None, started_at=at,
        trial_end=None, since=at, until=at, asked_at=None, resumes_at=None, comment=None,
        decline="", available_at=available_at(at), payouts=payouts,
    )  # fmt: skip
