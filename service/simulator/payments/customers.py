"""Customers. Deleting one ends subscriptions: that is billing/customer_deletion.py's work."""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.protocol.errors import missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

FIELDS = (
    "address description email invoice_settings metadata name phone preferred_locales tax_exempt"
)
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def new_customer(
    world: World, *, email: str | None, name: str | None, metadata: dict[str, str] | None = None
) -> JSON:
    """Create a customer and say so."""
    return world.create(
        customer_document(world, Params({}), email, name, metadata), "customer.created"
    )


def living_customer(world: World, identifier: str, param: str = "id") -> JSON:
    """The customer.

    Raises:
        StripeError: resource_missing, also when it was deleted.
    """
    customer = world.fetch("customer", identifier, param=param)
    if customer.get("deleted"):
        raise missing_resource("customer", identifier, param)
    return customer


def customer_document(
    world: World,
    params: Params,
    email: str | None,
    name: str | None,
    metadata: dict[str, str] | None,
) -> JSON:
    """A customer that isn't kept yet; what isn't given comes from `params`."""
    return {
        "id": world.new_id("cus", 14),
        "object": "customer",
        "address": _address(params),
        "balance": 0,
        "created": world.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.text("description"),
        "discount": None,
        "email": email,
        "invoice_prefix": world.new_id("x", 8)[2:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": metadata or {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": params.text("phone"),
        "preferred_locales": params.texts("preferred_locales"),
        "shipping": None,
        "tax_exempt": params.text("tax_exempt") or "none",
        "test_clock": world.clock,
    }


def _address(params: Params) -> JSON | None:
    address = params.group("address")
    address.refuse_unknown(frozenset(_ADDRESS))
    return {key: address.text(key) for key in _ADDRESS} if address.values else None


def read_invoice_settings(world: World, params: Params, customer: JSON) -> JSON:
    """The changes of `invoice_settings`.

    Raises:
        StripeError: resource_missing, the payment method isn't the customer's.
    """
    settings = params.group("invoice_settings")
    settings.refuse_unknown(frozenset({"default_payment_method"}))
    if not settings.sent("default_payment_method"):
        return {}
    method = settings.text("default_payment_method")
    if method is not None:
        found = world.fetch(
            "payment_method", method, param="invoice_settings[default_payment_method]"
        )
        if found["customer"] != customer["id"]:
            raise missing_resource(
                "payment method", method, "invoice_settings[default_payment_method]"
            )
    return {"default_payment_method": method}


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("customer", call.ids["customer"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    customer = living_customer(world, call.ids["customer"])
    changes: JSON = {}
    for key in ("description", "email", "name", "phone", "tax_exempt"):
        if params.sent(key):
            changes[key] = params.text(key)
    if params.sent("address"):
        changes["address"] = _address(params)
    if params.sent("preferred_locales"):
        changes["preferred_locales"] = params.texts("preferred_locales")
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(customer["metadata"])
    if params.sent("invoice_settings"):
        changes["invoice_settings"] = {
            **customer["invoice_settings"],
            **read_invoice_settings(world, params, customer),
        }
    world.update(customer, changes, "customer.updated")
    return customer


def _list(call: Call) -> JSON:
    """Who follows a test clock is shown only to those who ask for that clock."""
    conditions = [
        Condition("deleted", "!=", True),
        Condition("test_clock", "=", call.params.text("test_clock")),
        *created_range(call.params),
    ]
    return page(call, "customer", conditions + equalities(call.params, ["email"]))


OPERATIONS = (
    operation("GET", "/v1/customers/{customer}", _retrieve),
    operation("POST", "/v1/customers/{customer}", _update, FIELDS),
    listing("/v1/customers", _list, "created email test_clock"),
)
