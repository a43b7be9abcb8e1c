"""Payment methods: cards and bank debits."""

from service.simulator.operations import Call, equalities, listing, operation, page
from service.simulator.payments.cards import (
    CARDS,
    CardEntry,
    ReadCard,
    default_expiry,
    read_card,
    read_expiry,
)
from service.simulator.payments.customers import living_customer
from service.simulator.payments.debits import Account, debit_fields, read_account
from service.simulator.protocol.errors import invalid_parameter, not_simulated
from service.simulator.store import JSON, Condition
from service.simulator.world import World

# Names that Stripe takes in place of a payment method (https://docs.stripe.com/testing).
_NAMED = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_createDisputeInquiry": "4000000000001976",
    "pm_card_pendingRefund": "4000000000007726",
    "pm_card_refundFail": "4000000000005126",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_authenticationRequired": "4000002760003184",
}


def new_card_method(
    world: World, read: ReadCard, *, email: str | None = None, name: str | None = None
) -> JSON:
    """Create a card payment method that belongs to nobody yet."""
    card = {
        "brand": "visa",
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": "visa",
        "exp_month": read.exp_month,
        "exp_year": read.exp_year,
        "fingerprint": read.card.fingerprint,
        "funding": "credit",
        "generated_from": None,
        "last4": read.card.number[-4:],
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    ours = {"number": read.card.number, "set_up": False}
    return world.create(_method(world, "card", card, email, name) | {"_sim": ours})


def new_debit_method(
    world: World, account: Account, *, email: str | None = None, name: str | None = None
) -> JSON:
    """Create a bank debit payment method that belongs to nobody yet."""
    method = _method(world, "sepa_debit", debit_fields(account), email, name)
    return world.create(method | {"_sim": {"number": None, "account": account.number}})


def _method(world: World, kind: str, details: JSON, email: str | None, name: str | None) -> JSON:
    return {
        "id": world.new_id("pm", 24),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": email,
            "name": name,
            "phone": None,
            "tax_id": None,
        },
        "created": world.now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: details,
    }


def attach_method(world: World, method: JSON, customer: str) -> None:
    """Give a payment method to a customer."""
    method["customer"] = customer
    world.store.put(method)
    world.emit("payment_method.attached", method)


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    kind = params.required("type")
    details = params.group("billing_details")
    email, name = details.text("email"), details.text("name")
    if kind == "card":
        card = params.group("card")
        year, month = card.text("exp_year"), card.text("exp_month")
        entry = CardEntry(card.required("number"), f"{month}/{year}", card.text("cvc") or "123")
        method = new_card_method(world, read_card(entry, world.now), email=email, name=name)
    elif kind == "sepa_debit":
        account = read_account(params.group("sepa_debit").required("iban"))
        method = new_debit_method(world, account, email=email, name=name)
    else:
        raise not_simulated("type", "payment methods other than card and sepa_debit")
    world.update(method, {"metadata": params.metadata()})
    return method


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("payment_method", call.ids["payment_method"])


def _update(call: Call) -> JSON:
    """Change whose it is, a card's expiry, or metadata; the number stays what it is."""
    world, params = call.world, call.params
    method = _retrieve(call)
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(method["metadata"])
    details = params.group("billing_details")
    details.refuse_unknown(frozenset({"email", "name", "phone"}))
    named = {key: details.text(key) for key in details}
    if named:
        changes["billing_details"] = {**method["billing_details"], **named}
    card = params.group("card")
    card.refuse_unknown(frozenset({"exp_month", "exp_year"}))
    if card.values and method["type"] != "card":
        raise invalid_parameter("card", "This payment method is no card.")
    if card.values:
        expiry = {**method["card"], **{key: card.integer(key) for key in card}}
        read_expiry(f"{expiry['exp_month']}/{expiry['exp_year']}", world.now)
        changes["card"] = expiry
    world.update(method, changes, "payment_method.updated")
    return method


def _attach(call: Call) -> JSON:
    """Attach a payment method, or a fresh one for one of Stripe's names such as pm_card_visa."""
    world = call.world
    customer = living_customer(world, call.params.required("customer"), "customer")
    identifier = call.ids["payment_method"]
    if identifier in _NAMED:
        entry = CardEntry(_NAMED[identifier], default_expiry(world.now), "123")
        method = new_card_method(world, read_card(entry, world.now))
    else:
        method = world.fetch("payment_method", identifier)
    refusal = CARDS[method["_sim"]["number"]].on_attach if method["_sim"]["number"] else None
    if refusal is not None:
        raise refusal.error()
    attach_method(world, method, customer["id"])
    return method


def _detach(call: Call) -> JSON:
    world = call.world
    method = world.fetch("payment_method", call.ids["payment_method"])
    world.update(method, {"customer": None}, "payment_method.detached")
    for kind in ("subscription", "invoice"):
        for document in world.store.find(
            kind, [Condition("default_payment_method", "=", method["id"])]
        ):
            world.update(document, {"default_payment_method": None})
    for customer in world.store.find(
        "customer", [Condition("invoice_settings.default_payment_method", "=", method["id"])]
    ):
        settings = {**customer["invoice_settings"], "default_payment_method": None}
        world.update(customer, {"invoice_settings": settings}, "customer.updated")
    return method


def _list(call: Call) -> JSON:
    return page(call, "payment_method", equalities(call.params, ["customer", "type"]))


def _list_of_customer(call: Call) -> JSON:
    customer = living_customer(call.world, call.ids["customer"])
    conditions = [Condition("customer", "=", customer["id"])]
    return page(call, "payment_method", conditions + equalities(call.params, ["type"]))


def payer(world: World, subscription: JSON) -> JSON | None:
    """The payment method that a subscription's charges go to."""
    customer = world.fetch("customer", subscription["customer"])
    settings: JSON = customer.get("invoice_settings") or {}
    identifier = subscription["default_payment_method"] or settings.get("default_payment_method")
    return world.store.get(identifier) if identifier else None


OPERATIONS = (
    operation(
        "POST", "/v1/payment_methods", _create, "billing_details card metadata sepa_debit type"
    ),
    operation("GET", "/v1/payment_methods/{payment_method}", _retrieve),
    operation(
        "POST",
        "/v1/payment_methods/{payment_method}",
        _update,
        "billing_details card metadata",
    ),
    operation("POST", "/v1/payment_methods/{payment_method}/attach", _attach, "customer"),
    operation("POST", "/v1/payment_methods/{payment_method}/detach", _detach),
    listing("/v1/payment_methods", _list, "customer type"),
    listing("/v1/customers/{customer}/payment_methods", _list_of_customer, "type"),
)
