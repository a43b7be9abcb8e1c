"""The invoice of a one-off payment (`invoice_creation`): a receipt, paid before it is made."""

from service.simulator.billing.invoices import draft_invoice, finalise, mark_paid
from service.simulator.catalogue.discounts import discount_lines
from service.simulator.protocol.views import list_object
from service.simulator.store import JSON, Condition
from service.simulator.world import World


def receipt(world: World, session: JSON, intent: JSON) -> JSON:
    """The paid invoice that a session asks for, as changes to it; none where it asks for none."""
    wanted = session["invoice_creation"]
    if wanted is None or not wanted["enabled"]:
        return {}
    outline = {
        "id": None,
        "collection_method": "charge_automatically",
        "currency": session["currency"],
        "customer": intent["customer"],
        "discounts": [],
        "items": {"data": []},
        "metadata": {},
    }
    invoice = draft_invoice(world, outline, reason="manual", period=(world.now, world.now))
    lines = [_line(world, line, invoice["id"]) for line in session["_sim"]["line_items"]]
    redeemed = world.store.find(
        "discount", [Condition("checkout_session", "=", session["id"])], oldest_first=True
    )
    discounts = discount_lines(world, lines, [discount["id"] for discount in redeemed])
    subtotal, total = sum(line["amount"] for line in lines), intent["amount"]
    data = wanted["invoice_data"]
    invoice |= {
        "amount_due": total,
        "amount_remaining": total,
        "auto_advance": False,
        "description": data["description"],
        "discounts": [off["discount"] for off in discounts],
        "footer": data["footer"],
        "lines": list_object(f"/v1/invoices/{invoice['id']}/lines", lines),
        "metadata": data["metadata"],
        "parent": None,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_discount_amounts": discounts,
        "total_excluding_tax": total,
    }
    world.create(invoice, "invoice.created")
    finalise(world, invoice, paid_by=intent)
    mark_paid(world, invoice)
    return {"invoice": invoice["id"]}


def _line(world: World, line: JSON, invoice: str) -> JSON:
    price = world.fetch("price", line["price"])
    return {
        "id": world.new_id("il", 24),
        "object": "line_item",
        "amount": line["amount_subtotal"],
        "currency": line["currency"],
        "description": line["description"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"end": world.now, "start": world.now},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": line["quantity"],
        "subscription": None,
        "subtotal": line["amount_subtotal"],
        "taxes": [],
    }
