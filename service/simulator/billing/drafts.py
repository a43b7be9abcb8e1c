"""Draft invoices that the API makes and changes, and what moves an invoice on by hand."""

from collections.abc import Sequence

from service.simulator.billing.collection import PAYABLE, attempt, mark_uncollectible, void
from service.simulator.billing.invoices import draft_invoice, finalise
from service.simulator.billing.pending_items import line_of_item
from service.simulator.billing.subscriptions import own_method
from service.simulator.catalogue.discounts import discount_lines
from service.simulator.operations import Call, operation
from service.simulator.payments.customers import living_customer
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.forms import Params
from service.simulator.protocol.views import list_object
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_FIELDS = (
    "auto_advance collection_method days_until_due default_payment_method description due_date"
    " footer metadata statement_descriptor"
)
_TEXTS = ("description", "footer", "statement_descriptor")
_LONGEST_TERM = 365
_METHODS = ("charge_automatically", "send_invoice")
_AFTER_FINALISATION = frozenset({"auto_advance", "default_payment_method", "metadata", "expand"})


def draft(world: World, identifier: str, param: str = "id") -> JSON:
    """An invoice that can still be changed.

    Raises:
        StripeError: no such invoice, or 400 invoice_not_editable, it is no draft any more.
    """
    invoice = world.fetch("invoice", identifier, param=param)
    if invoice.get("deleted") or invoice["status"] != "draft":
        raise StripeError(
            400,
            f"Invoice {identifier} is no longer a draft, so it can't be changed.",
            code="invoice_not_editable",
            param=param,
        )
    return invoice


def put_lines(world: World, invoice: JSON, lines: list[JSON]) -> None:
    """Give a draft other lines, with the sums and discounts that come of them."""
    for line in lines:
        line["discount_amounts"] = []
    subtotal = sum(line["amount"] for line in lines)
    discounts = discount_lines(world, lines, invoice["discounts"])
    total = subtotal - sum(off["amount"] for off in discounts)
    world.update(
        invoice,
        {
            "amount_due": max(0, total),
            "amount_remaining": max(0, total),
            "lines": list_object(f"/v1/invoices/{invoice['id']}/lines", lines),
            "subtotal": subtotal,
            "subtotal_excluding_tax": subtotal,
            "total": total,
            "total_discount_amounts": discounts,
            "total_excluding_tax": total,
        },
        "invoice.updated",
    )


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    customer = living_customer(world, params.required("customer"), "customer")
    behaviour = params.choice("pending_invoice_items_behavior", ("exclude", "include"))
    outline = _outline(world, params, customer)
    invoice = draft_invoice(world, outline, reason="manual", period=(world.now, world.now))
    items = _taken(world, invoice) if behaviour == "include" else []
    if outline["id"] is None:
        invoice["parent"] = None
    invoice["auto_advance"] = False
    invoice["lines"]["data"] = []
    invoice |= _requested(world, params, invoice)
    world.create(invoice, "invoice.created")
    put_lines(world, invoice, [line_of_item(world, item, invoice["id"]) for item in items])
    for item in items:
        world.update(item, {"invoice": invoice["id"]})
    _schedule_advance(world, invoice)
    return invoice


def _outline(world: World, params: Params, customer: JSON) -> JSON:
    """What `draft_invoice` wants to know, for an invoice that bills no period."""
    outline: JSON = {
        "id": None,
        "collection_method": "charge_automatically",
        "currency": params.currency() if params.text("currency") else _currency(world, customer),
        "customer": customer["id"],
        "discounts": [],
        "items": {"data": []},
        "metadata": {},
    }
    identifier = params.text("subscription")
    if identifier is None:
        return outline
    subscription = world.fetch("subscription", identifier, param="subscription")
    if subscription["customer"] != customer["id"]:
        raise invalid_parameter("subscription", "This subscription is another customer's.")
    same = ("id", "collection_method", "currency", "metadata")
    return outline | {key: subscription[key] for key in same}


def _currency(world: World, customer: JSON) -> str:
    """The currency of what waits for the customer's next invoice, else the account's."""
    waiting = world.store.find(
        "invoiceitem",
        [Condition("customer", "=", customer["id"]), Condition("invoice", "=", None)],
        limit=1,
    )
    return str(waiting[0]["currency"]) if waiting else "usd"


def _taken(world: World, invoice: JSON) -> list[JSON]:
    parents = (
        line["parent"]["invoice_item_details"] or line["parent"]["subscription_item_details"]
        for line in invoice["lines"]["data"]
    )
    return [world.fetch("invoiceitem", parent["invoice_item"]) for parent in parents]


def _requested(world: World, params: Params, invoice: JSON) -> JSON:
    """The changes that the parameters ask for."""
    changes: JSON = {name: params.text(name) for name in _TEXTS if params.sent(name)}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(invoice["metadata"])
    if params.sent("auto_advance"):
        changes["auto_advance"] = bool(params.boolean("auto_advance"))
    if params.sent("default_payment_method"):
        changes["default_payment_method"] = own_method(world, params, invoice["customer"])
    method = params.choice("collection_method", _METHODS)
    if method is not None:
        changes["collection_method"] = method
    changes |= _due(world, params, {**invoice, **changes})
    return changes


def _due(world: World, params: Params, invoice: JSON) -> JSON:
    days, date = params.integer("days_until_due"), params.integer("due_date")
    if invoice["collection_method"] == "charge_automatically":
        if days is not None or date is not None:
            raise invalid_parameter(
                "days_until_due" if days is not None else "due_date",
                "Only an invoice with collection_method=send_invoice has a due date.",
            )
        return {"due_date": None}
    if days is not None and not 0 <= days <= _LONGEST_TERM:
        raise invalid_parameter(
            "days_until_due", f"days_until_due must be between 0 and {_LONGEST_TERM}."
        )
    if days is None and date is None:
        if invoice["due_date"] is None:
            raise missing_parameter("days_until_due")
        return {}
    return {"due_date": world.now + days * DAY if days is not None else date}


def _schedule_advance(world: World, invoice: JSON) -> None:
    """A draft that advances is finalised and collected after its hour."""
    world.store.unschedule(invoice["id"], "invoice.advance")
    at = world.now + world.rules.finalise_after if invoice["auto_advance"] else None
    world.update(invoice, {"automatically_finalizes_at": at})
    if at is not None:
        world.schedule(at, "invoice.advance", invoice["id"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    invoice = world.fetch("invoice", call.ids["invoice"])
    if invoice.get("deleted") or set(params) - _AFTER_FINALISATION:
        draft(world, invoice["id"])
    before = invoice["auto_advance"]
    world.update(invoice, _requested(world, params, invoice), "invoice.updated")
    if invoice["status"] == "draft" and invoice["auto_advance"] != before:
        _schedule_advance(world, invoice)
    return invoice


def _delete(call: Call) -> JSON:
    """Forget a one-off draft; its items wait for another invoice."""
    world = call.world
    invoice = draft(world, call.ids["invoice"])
    if invoice["parent"] is not None:
        raise StripeError(
            400,
            "Only one-off drafts can be deleted. Finalize and void a subscription's invoice.",
            param="id",
        )
    for item in world.store.find("invoiceitem", [Condition("invoice", "=", invoice["id"])]):
        world.update(item, {"invoice": None})
    world.store.unschedule(invoice["id"])
    world.emit("invoice.deleted", invoice)
    gone = {"id": invoice["id"], "object": "invoice", "deleted": True}
    world.store.put(gone)
    return gone


def _finalize(call: Call) -> JSON:
    world = call.world
    invoice = draft(world, call.ids["invoice"])
    if call.params.sent("auto_advance"):
        world.update(invoice, {"auto_advance": bool(call.params.boolean("auto_advance"))})
    _finalise(world, invoice)
    return invoice


def _finalise(world: World, invoice: JSON) -> None:
    """Finalise by hand. Nothing to pay is paid; what advances is collected an hour later."""
    world.store.unschedule(invoice["id"])
    finalise(world, invoice)
    if not invoice["amount_due"]:
        attempt(world, invoice)
    elif invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        at = world.now + world.rules.finalise_after
        world.update(invoice, {"next_payment_attempt": at})
        world.schedule(at, "invoice.retry", invoice["id"])


def _send(call: Call) -> JSON:
    """Mail an invoice (no mail leaves the local Stripe), finalising a draft first."""
    world = call.world
    invoice = _in(call, ("draft", *PAYABLE), "sent")
    if invoice["status"] == "draft":
        _finalise(world, invoice)
    world.emit("invoice.sent", invoice)
    return invoice


def _void(call: Call) -> JSON:
    invoice = _in(call, PAYABLE, "voided")
    void(call.world, invoice)
    return invoice


def _mark_uncollectible(call: Call) -> JSON:
    invoice = _in(call, ("open",), "marked uncollectible")
    mark_uncollectible(call.world, invoice)
    return invoice


def _in(call: Call, statuses: Sequence[str], done: str) -> JSON:
    invoice = call.world.fetch("invoice", call.ids["invoice"])
    status = "deleted" if invoice.get("deleted") else invoice["status"]
    if status not in statuses:
        raise StripeError(
            400,
            f"This invoice can't be {done}: it is {status}, not {' or '.join(statuses)}.",
            param="id",
        )
    return invoice


OPERATIONS = (
    operation(
        "POST",
        "/v1/invoices",
        _create,
        f"{_FIELDS} currency customer pending_invoice_items_behavior subscription",
    ),
    operation("POST", "/v1/invoices/{invoice}", _update, _FIELDS),
    operation("DELETE", "/v1/invoices/{invoice}", _delete),
    operation("POST", "/v1/invoices/{invoice}/finalize", _finalize, "auto_advance"),
    operation("POST", "/v1/invoices/{invoice}/send", _send),
    operation("POST", "/v1/invoices/{invoice}/void", _void),
    operation("POST", "/v1/invoices/{invoice}/mark_uncollectible", _mark_uncollectible),
)
