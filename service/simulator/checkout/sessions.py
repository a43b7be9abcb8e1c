"""Checkout sessions: the API's side. Paying one is purchase.py's work."""

from service.simulator.billing.subscriptions import refuse_other_currency
from service.simulator.checkout.discounts import refuse_small_total, requested_discounts
from service.simulator.checkout.terms import Terms, read_taxes, read_terms
from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
    page_of_rows,
)
from service.simulator.payments.customers import living_customer
from service.simulator.payments.setup_intents import new_setup_intent
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_SHORTEST_LIFE, _LONGEST_LIFE = 1_800, DAY
_SESSION = (
    "allow_promotion_codes automatic_tax billing_address_collection cancel_url client_reference_id"
    " currency customer customer_creation customer_email customer_update discounts"
    " excluded_payment_method_types expires_at invoice_creation line_items locale metadata mode"
    " payment_intent_data payment_method_collection phone_number_collection setup_intent_data"
    " submit_type subscription_data success_url tax_id_collection ui_mode"
)


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    terms = read_terms(world, params)
    identifier = world.new_id("cs_test", 58)
    customer = _customer(world, params)
    if customer and terms.mode == "subscription" and terms.currency:
        refuse_other_currency(world, customer["id"], terms.currency)
    taxes = read_taxes(params, customer)
    lines = _lines(world, terms)
    total = sum(line["amount_total"] for line in lines) if lines else None
    session = _session(world, params, identifier, customer) | terms.shown | taxes["shown"]
    session |= {
        "amount_subtotal": total,
        "amount_total": total,
        "currency": terms.currency,
        "_sim": {
            **terms.kept,
            "line_items": lines,
            "customer_update": taxes["customer_update"],
            "pending": None,
        },
    }
    session |= requested_discounts(world, params, session)
    refuse_small_total(session, "line_items")
    if customer:
        session["customer_creation"] = None
    if terms.mode == "setup":
        session["setup_intent"] = new_setup_intent(
            world,
            customer=session["customer"],
            types=session["payment_method_types"],
            description=terms.kept["description"],
            metadata=terms.kept["intent_metadata"],
        )["id"]
    world.schedule(session["expires_at"], "session.expire", identifier)
    return world.create(session)


def _customer(world: World, params: Params) -> JSON | None:
    identifier = params.text("customer")
    if identifier is None:
        return None
    if params.text("customer_email"):
        raise invalid_parameter(
            "customer_email",
            "You may only specify one of these parameters: customer, customer_email.",
        )
    return living_customer(world, identifier, "customer")


def _expiry(world: World, params: Params) -> int:
    expires_at = params.integer("expires_at")
    if expires_at is None:
        return world.now + _LONGEST_LIFE
    if not world.now + _SHORTEST_LIFE <= expires_at <= world.now + _LONGEST_LIFE:
        raise invalid_parameter(
            "expires_at",
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
        )
    return expires_at


def details_of(email: str | None, name: str | None) -> JSON:
    """A session's `customer_details`."""
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _session(world: World, params: Params, identifier: str, customer: JSON | None) -> JSON:
    success_url = params.address("success_url")
    if success_url is None:
        raise StripeError(
            400,
            "success_url is required for the hosted page.",
            code="parameter_missing",
            param="success_url",
        )
    email = params.text("customer_email")
    return {
        "id": identifier,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": params.boolean("allow_promotion_codes"),
        "allowed_payment_method_types": None,
        "billing_address_collection": params.choice(
            "billing_address_collection", ("auto", "required")
        ),
        "cancel_url": params.address("cancel_url"),
        "client_reference_id": params.text("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": world.now,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer["id"] if customer else None,
        "customer_details": details_of(
            customer["email"] if customer else email, customer["name"] if customer else None
        )
        if customer or email
        else None,
        "customer_email": email,
        "discounts": [],
        "expires_at": _expiry(world, params),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.text("locale"),
        "metadata": params.metadata(),
        "mode": params.required("mode"),
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {
            "enabled": bool(params.group("phone_number_collection").boolean("enabled"))
        },
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{world.public_url}/checkout/{identifier}",
        "wallet_options": None,
    }


def _lines(world: World, terms: Terms) -> list[JSON]:
    """The session's line items; during a trial they cost nothing today."""
    lines: list[JSON] = []
    for identifier, quantity in terms.items:
        price = world.fetch("price", identifier)
        amount = 0 if terms.free else price["unit_amount"] * quantity
        lines.append(
            {
                "id": world.new_id("li", 24),
                "object": "item",
                "adjustable_quantity": None,
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": price["currency"],
                "description": world.fetch("product", price["product"]).get("name"),
                "metadata": {},
                "price": identifier,
                "quantity": quantity,
            }
        )
    return lines


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("checkout.session", call.ids["session"])


def _update(call: Call) -> JSON:
    session = _retrieve(call)
    call.world.update(session, {"metadata": call.params.metadata(session["metadata"])})
    return session


def _list(call: Call) -> JSON:
    call.params.choice("status", ("complete", "expired", "open"))
    conditions = created_range(call.params) + equalities(
        call.params, ["customer", "payment_intent", "status", "subscription"]
    )
    buyer = call.params.group("customer_details")
    buyer.refuse_unknown(frozenset({"email"}))
    conditions += equalities(buyer, {"email": "customer_details.email"})
    return page(call, "checkout.session", conditions)


def _list_lines(call: Call) -> JSON:
    return page_of_rows(call, _retrieve(call)["_sim"]["line_items"])


def _expire(call: Call) -> JSON:
    session = _retrieve(call)
    if session["status"] != "open":
        raise StripeError(
            400,
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{session['status']}`.",
        )
    _close(call.world, session)
    return session


def _close(world: World, session: JSON) -> None:
    world.store.unschedule(session["id"])
    world.update(session, {"expires_at": world.now, "status": "expired", "url": None})
    world.emit("checkout.session.expired", session)


def handle_expiry(world: World, identifier: str) -> None:
    """The agenda's `session.expire`: nobody paid in time."""
    session = world.fetch("checkout.session", identifier)
    if session["status"] == "open":
        _close(world, session)


OPERATIONS = (
    operation("POST", "/v1/checkout/sessions", _create, _SESSION),
    operation("GET", "/v1/checkout/sessions/{session}", _retrieve),
    operation("POST", "/v1/checkout/sessions/{session}", _update, "metadata"),
    operation("POST", "/v1/checkout/sessions/{session}/expire", _expire),
    listing(
        "/v1/checkout/sessions",
        _list,
        "created customer customer_details payment_intent status subscription",
    ),
    listing("/v1/checkout/sessions/{session}/line_items", _list_lines),
)
