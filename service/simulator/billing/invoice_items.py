"""Invoice items: single amounts that a customer's next invoice, or a given draft, takes along."""

from service.simulator.billing.drafts import draft, put_lines
from service.simulator.billing.pending_items import line_of_item
from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.payments.customers import living_customer
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.forms import LARGEST_AMOUNT, Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    customer = living_customer(world, params.required("customer"), "customer")
    item = {
        "id": world.new_id("ii", 24),
        "object": "invoiceitem",
        "customer": customer["id"],
        "date": world.now,
        "description": params.text("description"),
        "discountable": params.boolean("discountable") is not False,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": params.metadata(),
        "parent": _parent(world, params, customer),
        "period": _period(params) or {"end": world.now, "start": world.now},
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": customer["test_clock"],
        **_worth(world, params),
    }
    invoice = _wanted_invoice(world, params, item)
    world.create(item, "invoiceitem.created")
    if invoice is not None:
        world.update(item, {"invoice": invoice["id"]})
        line = line_of_item(world, item, invoice["id"])
        put_lines(world, invoice, [*invoice["lines"]["data"], line])
    return item


def _worth(world: World, params: Params) -> JSON:
    """What the item costs: an `amount` in a `currency`, or a number of a one-time price."""
    pricing = params.group("pricing")
    pricing.refuse_unknown(frozenset({"price"}))
    quantity = params.integer("quantity")
    quantity = 1 if quantity is None else quantity
    identifier, amount = pricing.text("price"), params.integer("amount")
    if (identifier is None) == (amount is None):
        raise (
            invalid_parameter("amount", "Send either amount or pricing[price], not both.")
            if amount is not None
            else missing_parameter("amount")
        )
    if quantity < 0:
        raise invalid_parameter("quantity", "quantity can't be negative.")
    if amount is not None:
        return _sums(amount, 1, params.currency(), None)
    price = world.fetch("price", str(identifier), param="pricing[price]")
    if price["recurring"] is not None or not price["active"]:
        raise invalid_parameter(
            "pricing[price]", "An invoice item takes an active one-time price only."
        )
    details = {"price": price["id"], "product": price["product"]}
    return _sums(price["unit_amount"], quantity, price["currency"], details)


def _sums(unit_amount: int, quantity: int, currency: str, details: JSON | None) -> JSON:
    if abs(unit_amount * quantity) > LARGEST_AMOUNT:
        raise invalid_parameter("amount", f"amount must be at most {LARGEST_AMOUNT}.")
    return {
        "amount": unit_amount * quantity,
        "currency": currency,
        "net_amount": unit_amount * quantity,
        "pricing": {
            **({"price_details": details} if details else {}),
            "type": "price_details",
            "unit_amount_decimal": str(unit_amount),
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
    }


def _parent(world: World, params: Params, customer: JSON) -> JSON | None:
    identifier = params.text("subscription")
    if identifier is None:
        return None
    subscription = world.fetch("subscription", identifier, param="subscription")
    if subscription["customer"] != customer["id"]:
        raise invalid_parameter("subscription", "This subscription is another customer's.")
    return {"subscription_details": {"subscription": identifier}, "type": "subscription_details"}


def _period(params: Params) -> JSON | None:
    if not params.sent("period"):
        return None
    period = params.group("period")
    period.refuse_unknown(frozenset({"end", "start"}))
    start, end = period.integer("start"), period.integer("end")
    if start is None or end is None:
        raise missing_parameter(period.name("start" if start is None else "end"))
    if end < start:
        raise invalid_parameter(period.name("end"), "A period can't end before it starts.")
    return {"end": end, "start": start}


def _wanted_invoice(world: World, params: Params, item: JSON) -> JSON | None:
    identifier = params.text("invoice")
    if identifier is None:
        return None
    invoice = draft(world, identifier, "invoice")
    if (invoice["customer"], invoice["currency"]) != (item["customer"], item["currency"]):
        raise invalid_parameter(
            "invoice", "The item and the invoice must have the same customer and currency."
        )
    return invoice


def _changeable(call: Call) -> tuple[JSON, JSON | None]:
    """The item and the draft it is on, if any.

    Raises:
        StripeError: 404, no such item; 400, its invoice is no draft any more.
    """
    item = call.world.fetch("invoiceitem", call.ids["invoiceitem"])
    if item.get("deleted"):
        raise StripeError(
            404, f"No such invoiceitem: '{item['id']}'", code="resource_missing", param="id"
        )
    return item, draft(call.world, item["invoice"]) if item["invoice"] else None


def _other_lines(invoice: JSON, item: JSON) -> list[JSON]:
    """The draft's lines without the item's."""
    kept = []
    for line in invoice["lines"]["data"]:
        parent = line["parent"]["invoice_item_details"]
        parent = parent or line["parent"]["subscription_item_details"]
        if parent["invoice_item"] != item["id"]:
            kept.append(line)
    return kept


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("invoiceitem", call.ids["invoiceitem"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    item, invoice = _changeable(call)
    changes: JSON = {}
    if params.sent("description"):
        changes["description"] = params.text("description")
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(item["metadata"])
    if params.sent("discountable"):
        changes["discountable"] = bool(params.boolean("discountable"))
    changes |= {"period": period} if (period := _period(params)) else {}
    amount = params.integer("amount")
    if amount is not None:
        details = item["pricing"].get("price_details")
        changes |= _sums(amount, 1, item["currency"], details)
    world.update(item, changes)
    if invoice is not None:
        line = line_of_item(world, item, invoice["id"])
        put_lines(world, invoice, [*_other_lines(invoice, item), line])
    return item


def _delete(call: Call) -> JSON:
    world = call.world
    item, invoice = _changeable(call)
    if invoice is not None:
        put_lines(world, invoice, _other_lines(invoice, item))
    world.emit("invoiceitem.deleted", item)
    gone = {"id": item["id"], "object": "invoiceitem", "deleted": True}
    world.store.put(gone)
    return gone


def _list(call: Call) -> JSON:
    params = call.params
    conditions = [Condition("deleted", "!=", True)]
    conditions += [
        Condition("date", bound.operator, bound.value) for bound in created_range(params)
    ]
    pending = params.boolean("pending")
    if pending is not None:
        conditions.append(Condition("invoice", "=" if pending else "!=", None))
    return page(call, "invoiceitem", conditions + equalities(params, ["customer", "invoice"]))


OPERATIONS = (
    operation(
        "POST",
        "/v1/invoiceitems",
        _create,
        "amount currency customer description discountable invoice metadata period pricing"
        " quantity subscription",
    ),
    operation("GET", "/v1/invoiceitems/{invoiceitem}", _retrieve),
    operation(
        "POST",
        "/v1/invoiceitems/{invoiceitem}",
        _update,
        "amount description discountable metadata period",
    ),
    operation("DELETE", "/v1/invoiceitems/{invoiceitem}", _delete),
    listing("/v1/invoiceitems", _list, "created customer invoice pending"),
)
