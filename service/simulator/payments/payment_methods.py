"""Payment methods: cards and bank debits."""

from service.simulator.operations import Call, equalities, listing, operation, page
from service.simulator.payments.card_numbers import CARDS, NAMED
from service.simulator.payments.cards import (
    CardEntry,
    ReadCard,
    default_expiry,
    read_card,
    read_expiry,
)
from service.simulator.payments.customers import living_customer
from service.simulator.payments.debits import Account, debit_fields, read_account
from service.simulator.protocol.errors import (
    invalid_parameter,
    missing_parameter,
    missing_resource,
    not_simulated,
)
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_DISPLAYED = {"amex": "american_express", "diners": "diners_club"}


def new_card_method(
    world: World,
    read: ReadCard,
    *,
    email: str | None = None,
    name: str | None = None,
    on_session: bool = False,
) -> JSON:
    """Create a card payment method that belongs to nobody yet.

    `on_session`: its holder is about to pay, and is asked even where the card is set up already.
    """
    brand = read.card.brand
    card = {
        "brand": brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": read.card.cvc_check,
        },
        "country": read.card.country,
        "display_brand": _DISPLAYED.get(brand, brand),
        "exp_month": read.exp_month,
        "exp_year": read.exp_year,
        "fingerprint": read.card.fingerprint,
        "funding": read.card.funding,
        "generated_from": None,
        "last4": read.card.number[-4:],
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    ours = {"number": read.card.number, "set_up": read.card.set_up and not on_session}
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


def _named_method(
    world: World, identifier: str, *, email: str | None = None, name: str | None = None
) -> JSON:
    """A fresh card for one of Stripe's names such as pm_card_visa or tok_visa."""
    entry = CardEntry(NAMED[identifier].number, default_expiry(world.now), "123")
    return new_card_method(world, read_card(entry, world.now), email=email, name=name)


def chosen_method(world: World, identifier: str, param: str = "id") -> JSON:
    """The payment method, or a fresh one where it is one of Stripe's names such as pm_card_visa.

    Raises:
        StripeError: resource_missing.
    """
    if identifier.startswith("pm_") and identifier in NAMED:
        return _named_method(world, identifier)
    return world.fetch("payment_method", identifier, param=param)


def read_automatic_methods(params: Params) -> JSON | None:
    """`automatic_payment_methods` as an intent shows it: what may be paid with is the same anyway.

    Raises:
        StripeError: 400, it doesn't say whether they are `enabled`.
    """
    methods = params.group("automatic_payment_methods")
    methods.refuse_unknown(frozenset({"allow_redirects", "enabled"}))
    enabled = methods.boolean("enabled")
    if enabled is None:
        raise missing_parameter(methods.name("enabled"))
    redirects = methods.choice("allow_redirects", ("always", "never")) or "always"
    return {"allow_redirects": redirects, "enabled": True} if enabled else None


def attach_to(world: World, method: JSON, customer: str) -> None:
    """Give a payment method to a customer, as the API does.

    Raises:
        StripeError: 402, the card's bank refuses it at once.
    """
    card = CARDS.get(method["_sim"]["number"] or "")
    if card is not None and card.on_attach is not None:
        raise card.on_attach.error()
    attach_method(world, method, customer)


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
    card = params.group("card")
    token = card.text("token")
    if kind == "card" and token is not None:
        if not token.startswith("tok_") or token not in NAMED:
            raise missing_resource("token", token, card.name("token"))
        method = _named_method(world, token, email=email, name=name)
    elif kind == "card":
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
    return chosen_method(call.world, call.ids["payment_method"])


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
    world = call.world
    customer = living_customer(world, call.params.required("customer"), "customer")
    method = _retrieve(call)
    attach_to(world, method, customer["id"])
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


def _retrieve_of_customer(call: Call) -> JSON:
    world, identifier = call.world, call.ids["payment_method"]
    customer = living_customer(world, call.ids["customer"])
    method = world.fetch("payment_method", identifier)
    if method["customer"] != customer["id"]:
        raise missing_resource("payment method", identifier)
    return method


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
    operation(
        "GET", "/v1/customers/{customer}/payment_methods/{payment_method}", _retrieve_of_customer
    ),
)
