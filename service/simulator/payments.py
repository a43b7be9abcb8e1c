"""Payment intents and charges."""

from service.simulator.cards import CARDS, Decline
from service.simulator.expand import public
from service.simulator.operations import Call, created_range, equalities, listing, operation, page
from service.simulator.store import JSON
from service.simulator.world import World

NO_METHOD = Decline(
    "payment_intent_unexpected_state",
    None,
    "There is no payment method to charge. Attach one to the customer and make it the default.",
)


def new_intent(
    world: World, *, amount: int, currency: str, customer: str | None, description: str
) -> JSON:
    """Create a payment intent that waits for a payment method."""
    identifier = world.new_id("pi", 24)
    intent: JSON = {
        "id": identifier,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{identifier}_{world.new_id('secret', 25)}",
        "confirmation_method": "automatic",
        "created": world.now,
        "currency": currency,
        "customer": customer,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": "off_session",
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    return world.create(intent, "payment_intent.created")


def refusal_of(method: JSON | None) -> Decline | None:
    """Why a charge to this payment method would fail."""
    if method is None:
        return NO_METHOD
    number = method["_sim"]["number"]
    return (CARDS[number].on_attach or CARDS[number].on_charge) if number else None


def confirm(world: World, intent: JSON, method: JSON | None) -> Decline | None:
    """Charge the payment method.

    Returns:
        None if it worked, else why not; the intent then waits for a method again.
    """
    refusal = refusal_of(method)
    if method is None:
        error = NO_METHOD.error().details()
        world.update(intent, {"last_payment_error": error})
        world.emit("payment_intent.payment_failed", intent)
        return NO_METHOD
    charge = _charge(world, intent, method, refusal)
    if refusal is None:
        world.create(charge, "charge.succeeded")
        changes = {
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "payment_method": method["id"],
            "status": "succeeded",
        }
        world.update(intent, changes)
        world.emit("payment_intent.succeeded", intent)
        return None
    world.create(charge, "charge.failed")
    error = refusal.error().details() | {
        "charge": charge["id"],
        "payment_method": public(world.store, method),
    }
    world.update(
        intent,
        {
            "last_payment_error": error,
            "latest_charge": charge["id"],
            "payment_method": None,
            "status": "requires_payment_method",
        },
    )
    world.emit("payment_intent.payment_failed", intent)
    return refusal


def _charge(world: World, intent: JSON, method: JSON, refusal: Decline | None) -> JSON:
    paid = refusal is None
    return {
        "id": world.new_id("ch", 24),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "LOCAL STRIPE",
        "captured": paid,
        "created": world.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": refusal.code if refusal else None,
        "failure_message": refusal.message if refusal else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": _outcome(refusal),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(intent, method), "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if paid else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome(refusal: Decline | None) -> JSON:
    return {
        "advice_code": "try_again_later" if refusal else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if refusal else "approved_by_network",
        "reason": (refusal.decline_code or refusal.code) if refusal else None,
        "risk_level": "normal",
        "risk_score": 5,
        "seller_message": "The bank refused the payment." if refusal else "Payment complete.",
        "type": "issuer_declined" if refusal else "authorized",
    }


def _card_details(intent: JSON, method: JSON) -> JSON:
    card = method["card"]
    same = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    return {
        **{key: card[key] for key in same},
        "amount_authorized": intent["amount"],
        "authorization_code": None,
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "network": "visa",
        "network_token": {"used": False},
        "network_transaction_id": None,
        "regulated_status": card["regulated_status"],
        "three_d_secure": None,
        "wallet": None,
    }


def _retrieve_intent(call: Call) -> JSON:
    return call.world.fetch("payment_intent", call.ids["intent"])


def _list_intents(call: Call) -> JSON:
    conditions = created_range(call.params) + equalities(call.params, ["customer"])
    return page(call, "payment_intent", conditions)


def _retrieve_charge(call: Call) -> JSON:
    return call.world.fetch("charge", call.ids["charge"])


def _list_charges(call: Call) -> JSON:
    conditions = created_range(call.params)
    return page(
        call, "charge", conditions + equalities(call.params, ["customer", "payment_intent"])
    )


OPERATIONS = (
    operation("GET", "/v1/payment_intents/{intent}", _retrieve_intent),
    listing("/v1/payment_intents", _list_intents, "created customer"),
    operation("GET", "/v1/charges/{charge}", _retrieve_charge),
    listing("/v1/charges", _list_charges, "created customer payment_intent"),
)
