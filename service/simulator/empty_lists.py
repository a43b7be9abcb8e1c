"""Lists of what there is never one of here: clients that sync an account read them all."""

from service.simulator.operations import Call, listing, page
from service.simulator.payments.customers import living_customer
from service.simulator.store import JSON

_LISTS = {
    "/v1/accounts": "created",
    "/v1/credit_notes": "created customer invoice",
    "/v1/customers/{customer}/sources": "object",
    "/v1/customers/{customer}/tax_ids": "",
    "/v1/entitlements/active_entitlements": "customer",
    "/v1/entitlements/features": "archived lookup_key",
    "/v1/plans": "active created product",
    "/v1/products/{product}/features": "",
    "/v1/radar/early_fraud_warnings": "charge created payment_intent",
    "/v1/subscription_schedules": (
        "canceled_at completed_at created customer released_at scheduled"
    ),
    "/v1/tax_ids": "owner",
}


def _list(call: Call) -> JSON:
    if "customer" in call.ids:
        living_customer(call.world, call.ids["customer"])
    if "product" in call.ids:
        call.world.fetch("product", call.ids["product"])
    return page(call, call.path.rpartition("/")[2], [])


OPERATIONS = tuple(listing(template, _list, params) for template, params in _LISTS.items())
