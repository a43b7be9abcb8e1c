"""Invoices and their lines. Collecting them is collection.py's work."""

from collections.abc import Sequence

from service.simulator.billing.invoice_payments import create_payment, payment_of
from service.simulator.billing.pending_items import line_of_item, pending_items
from service.simulator.billing.proration import debits_after
from service.simulator.catalogue.discounts import discount_lines, spend_discounts
from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
    page_of_rows,
)
from service.simulator.payments.charges import new_intent
from service.simulator.protocol.views import list_object
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_OF_SUBSCRIPTION = "parent.subscription_details.subscription"


def draft_invoice(
    world: World,
    subscription: JSON,
    *,
    reason: str,
    period: tuple[int, int],
    trial: bool = False,
    items: Sequence[JSON] | None = None,
    extra: Sequence[JSON] = (),
    at: int | None = None,
) -> JSON:
    """An invoice for the items' present period, neither kept nor announced (see `keep_draft`).

    `period` is the invoice's own: the one that ended, while its lines bill the one that begins.
    `items` are those to bill, all where it is None. What waits for an invoice comes along, and so
    does `extra`: invoice items that aren't kept. `at` is when it will be made, None is now.
    """
    identifier = world.new_id("in", 24)
    billed = subscription["items"]["data"] if items is None else items
    waiting = [*pending_items(world, subscription), *extra]
    lines = [line_of_item(world, item, identifier) for item in waiting]
    lines += [_line(world, subscription, item, identifier, trial=trial) for item in billed]
    subtotal = sum(line["amount"] for line in lines)
    discounts = discount_lines(world, lines, subscription["discounts"], at)
    total = subtotal - sum(off["amount"] for off in discounts)
    customer = world.fetch("customer", subscription["customer"])
    return {
        **_CONSTANT,
        "id": identifier,
        "object": "invoice",
        "amount_due": max(0, total),
        "amount_remaining": max(0, total),
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "created": world.now,
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_address": customer.get("address"),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_phone": customer.get("phone"),
        "customer_tax_exempt": customer.get("tax_exempt", "none"),
        "default_payment_method": None,
        "discounts": [off["discount"] for off in discounts],
        "lines": list_object(f"/v1/invoices/{identifier}/lines", lines),
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": subscription.get("payment_settings", {}).get(
                "payment_method_types"
            ),
        },
        "period_end": period[1],
        "period_start": period[0],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": customer.get("test_clock"),
        "total": total,
        "total_discount_amounts": discounts,
        "total_excluding_tax": total,
    }


def keep_draft(world: World, subscription: JSON, invoice: JSON) -> JSON:
    """Keep a draft of `draft_invoice` and announce it.

    Returns:
        The changes of the subscription that come of it: the invoice is its latest one, discounts
        that count once are spent, and what was billed is noted for prorations.
    """
    world.create(invoice, "invoice.created")
    for line in invoice["lines"]["data"]:
        details = (
            line["parent"]["subscription_item_details"] or line["parent"]["invoice_item_details"]
        )
        if details["invoice_item"] is not None:
            item = world.fetch("invoiceitem", details["invoice_item"])
            world.update(item, {"invoice": invoice["id"]})
    return {
        "_sim": {**subscription["_sim"], "debits": debits_after(subscription, invoice)},
        "discounts": spend_discounts(world, subscription, invoice),
        "latest_invoice": invoice["id"],
    }


_CONSTANT: JSON = {
    "account_country": "US",
    "account_name": "Local Stripe",
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_paid_off_stripe": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": True,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "custom_fields": None,
    "customer_shipping": None,
    "customer_tax_ids": [],
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_details": None,
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "test_clock": None,
    "total_discount_amounts": [],
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
}


def _line(world: World, subscription: JSON, item: JSON, invoice: str, *, trial: bool) -> JSON:
    price = world.fetch("price", item["price"])
    product = world.fetch("product", price["product"])
    amount = 0 if trial else price["unit_amount"] * item["quantity"]
    name = f"{item['quantity']} × {product.get('name', 'deleted product')}"
    return {
        "id": world.new_id("il", 24),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"Trial period for {name}" if trial else name,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": "0" if trial else price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def finalise(world: World, invoice: JSON, *, paid_by: JSON | None = None) -> None:
    """Draft → open: numbered, unchangeable, with a payment intent if there is money to ask for.

    `paid_by` is an intent that has brought the money already.
    """
    customer = world.fetch("customer", invoice["customer"])
    number = None
    if not customer.get("deleted"):
        sequence = customer["next_invoice_sequence"]
        number = f"{customer['invoice_prefix']}-{sequence:04}"
        world.update(customer, {"next_invoice_sequence": sequence + 1})
    transitions = {**invoice["status_transitions"], "finalized_at": world.now}
    world.update(
        invoice,
        {
            **({} if paid_by else _settle_balance(world, customer, invoice)),
            "automatically_finalizes_at": None,
            "effective_at": world.now,
            "hosted_invoice_url": f"{world.public_url}/invoice/{invoice['id']}",
            "number": number,
            "status": "open",
            "status_transitions": transitions,
        },
    )
    world.emit("invoice.finalized", invoice)
    if invoice["amount_due"]:
        intent = paid_by or new_intent(
            world,
            amount=invoice["amount_due"],
            currency=invoice["currency"],
            customer=invoice["customer"],
            description="Subscription update"
            if invoice["billing_reason"] == "subscription_cycle"
            else "Subscription creation",
            types=invoice["payment_settings"]["payment_method_types"],
        )
        create_payment(world, invoice, intent)


def _settle_balance(world: World, customer: JSON, invoice: JSON) -> JSON:
    """What a customer's credit pays of an invoice; a negative total adds to the credit."""
    before: int = customer.get("balance", 0)
    after = min(0, before + invoice["total"])
    due = max(0, invoice["total"] + before)
    if after != before and not customer.get("deleted"):
        world.update(customer, {"balance": after}, "customer.updated")
    return {
        "amount_due": due,
        "amount_remaining": due,
        "ending_balance": after,
        "starting_balance": before,
    }


def mark_paid(world: World, invoice: JSON) -> None:
    """Open → paid, announced the way Stripe does."""
    payment = payment_of(world, invoice)
    if payment is not None:
        world.update(
            payment,
            {
                "amount_paid": invoice["amount_due"],
                "status": "paid",
                "status_transitions": {"canceled_at": None, "paid_at": world.now},
            },
        )
        world.emit("invoice_payment.paid", payment)
    transitions = {**invoice["status_transitions"], "paid_at": world.now}
    world.update(
        invoice,
        {
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "attempt_count": invoice["attempt_count"] + (1 if invoice["amount_due"] else 0),
            "attempted": True,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status": "paid",
            "status_transitions": transitions,
        },
    )
    world.store.unschedule(invoice["id"])
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)


def stop_collection(world: World, subscription: JSON) -> None:
    """Leave a subscription's unpaid invoices as they are: nobody will try to collect them."""
    for invoice in invoices_of(world, subscription["id"], ("draft", "open")):
        world.store.unschedule(invoice["id"])
        world.update(
            invoice,
            {
                "auto_advance": False,
                "automatically_finalizes_at": None,
                "next_payment_attempt": None,
            },
            "invoice.updated",
        )


def invoices_of(world: World, subscription: str, statuses: Sequence[str]) -> list[JSON]:
    """A subscription's invoices in these statuses, newest first."""
    return world.store.find(
        "invoice",
        [
            Condition(_OF_SUBSCRIPTION, "=", subscription),
            Condition("status", "in", tuple(statuses)),
        ],
    )


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("invoice", call.ids["invoice"])


def _list(call: Call) -> JSON:
    call.params.choice("status", ("draft", "open", "paid", "uncollectible", "void"))
    conditions = created_range(call.params) + equalities(
        call.params,
        {
            "collection_method": "collection_method",
            "customer": "customer",
            "status": "status",
            "subscription": _OF_SUBSCRIPTION,
        },
    )
    return page(call, "invoice", conditions)


def _list_lines(call: Call) -> JSON:
    return page_of_rows(call, _retrieve(call)["lines"]["data"])


OPERATIONS = (
    operation("GET", "/v1/invoices/{invoice}", _retrieve),
    listing("/v1/invoices", _list, "collection_method created customer status subscription"),
    listing("/v1/invoices/{invoice}/lines", _list_lines),
)
