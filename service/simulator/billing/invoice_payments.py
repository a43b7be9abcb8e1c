"""The payments of invoices: which payment intent brings an invoice's money."""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.store import JSON, Condition
from service.simulator.world import World


def create_payment(world: World, invoice: JSON, intent: JSON) -> None:
    """Ask for an invoice's money by a payment intent."""
    world.create(
        {
            "id": world.new_id("inpay", 24),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": world.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )


def payment_of(world: World, invoice: JSON) -> JSON | None:
    """The invoice's payment; invoices of nothing have none."""
    found = world.store.find("invoice_payment", [Condition("invoice", "=", invoice["id"])], limit=1)
    return found[0] if found else None


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("invoice_payment", call.ids["invoice_payment"])


def _list(call: Call) -> JSON:
    call.params.choice("status", ("canceled", "open", "paid"))
    conditions = created_range(call.params) + equalities(call.params, ["invoice", "status"])
    payment = call.params.group("payment")
    payment.refuse_unknown(frozenset({"payment_intent", "type"}))
    if payment.values:
        payment.required("type")
        payment.choice("type", ("payment_intent", "payment_record"))
    conditions += equalities(
        payment, {"type": "payment.type", "payment_intent": "payment.payment_intent"}
    )
    return page(call, "invoice_payment", conditions)


OPERATIONS = (
    operation("GET", "/v1/invoice_payments/{invoice_payment}", _retrieve),
    listing("/v1/invoice_payments", _list, "created invoice payment status"),
)
