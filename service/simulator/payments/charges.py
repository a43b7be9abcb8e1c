"""Payment intents and charges."""

from service.simulator.operations import Call, created_range, equalities, listing, operation, page
from service.simulator.payments.balance import book_charge
from service.simulator.payments.card_numbers import CARDS, Card, Decline
from service.simulator.payments.debits import (
    Account,
    account_of,
    charge_details,
    payment_method_types,
)
from service.simulator.protocol.expand import public
from service.simulator.store import JSON
from service.simulator.world import World

OPEN_DISPUTE = "dispute.open"
"""The agenda's name for a bank that contests a charge."""
NO_METHOD = Decline(
    "payment_intent_unexpected_state",
    None,
    "There is no payment method to charge. Attach one to the customer and make it the default.",
)

_RISK_SCORES = {"normal": 5, "elevated": 67, "highest": 92}
_BLOCKED: JSON = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "not_sent_to_network",
    "reason": "highest_risk_level",
    "risk_level": "highest",
    "risk_score": _RISK_SCORES["highest"],
    "seller_message": "Stripe blocked this payment as too risky.",
    "type": "blocked",
}
AUTHENTICATION = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)


def new_intent(
    world: World,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    description: str | None,
    future_usage: str | None = "off_session",
    types: list[str] | None = None,
) -> JSON:
    """Create a payment intent that waits for a payment method, of `types` where they are given."""
    identifier = world.new_id("pi", 24)
    types = types or payment_method_types(currency)
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
        "created": world.own_now,
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
            },
            **({"sepa_debit": {}} if "sepa_debit" in types else {}),
        },
        "payment_method_types": types,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": future_usage,
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
    card = card_of(method)
    return (card.on_attach or card.on_charge) if card else None


def card_of(method: JSON) -> Card | None:
    """The test card behind a payment method, if it is a card."""
    return CARDS.get(method["_sim"].get("number") or "")


def asks_authentication(method: JSON) -> bool:
    """Whether the bank lets no charge through before the card's holder confirms (3-D Secure)."""
    card = card_of(method)
    asks = card.asks if card else "never"
    return asks == "always" or (asks == "until_set_up" and not method["_sim"].get("set_up"))


def remember_authentication(world: World, method: JSON) -> None:
    """The holder has confirmed the card for charges in their absence as well."""
    world.update(method, {"_sim": {**method["_sim"], "set_up": True}})


def confirm(
    world: World,
    intent: JSON,
    method: JSON | None,
    *,
    authenticated: bool = False,
    page: str | None = None,
) -> Decline | None:
    """Charge the payment method; `authenticated` says that the card's holder has confirmed.

    `page` is where the holder would do that, the local Stripe's root where there is no such page.

    Returns:
        None if it worked, or is under way by bank debit: the intent then is `processing`. Else why
        not: the intent waits for a method again, or, at AUTHENTICATION, for the card's holder.
    """
    if method is None:
        error = NO_METHOD.error().details()
        world.update(intent, {"last_payment_error": error})
        world.emit("payment_intent.payment_failed", intent)
        return NO_METHOD
    if not authenticated and asks_authentication(method):
        _ask_holder(world, intent, method, page or f"{world.public_url}/")
        return AUTHENTICATION
    refusal = refusal_of(method)
    charge = _charge(world, intent, method, refusal)
    account = account_of(method)
    if account is not None:
        _begin_debit(world, intent, account, charge)
    elif refusal is None:
        charge["balance_transaction"] = book_charge(world, charge)
        world.create(charge, "charge.succeeded")
        if (card := card_of(method)) and card.disputes != "never":
            world.schedule(world.now, OPEN_DISPUTE, charge["id"])
        _received(world, intent, charge)
    else:
        world.create(charge, "charge.failed")
        _refused(world, intent, charge, refusal)
    return refusal


def _ask_holder(world: World, intent: JSON, method: JSON, page: str) -> None:
    action = {
        "redirect_to_url": {"return_url": None, "url": page},
        "type": "redirect_to_url",
    }
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    world.update(intent, changes)
    world.emit("payment_intent.requires_action", intent)


def _begin_debit(world: World, intent: JSON, account: Account, charge: JSON) -> None:
    """Ask the account's bank for the money; the agenda's `debit.settle` hears what it says."""
    charge |= {"outcome": None, "paid": False, "status": "pending"}
    world.create(charge, "charge.pending")
    changes = {
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": charge["payment_method"],
        "status": "processing",
    }
    world.update(intent, changes)
    world.emit("payment_intent.processing", intent)
    world.schedule(world.now + account.settles_after, "debit.settle", intent["id"])


def end_debit(world: World, intent: JSON, refusal: Decline | None) -> None:
    """A bank debit that is under way comes in, or is refused."""
    world.store.unschedule(intent["id"], "debit.settle")
    charge = world.fetch("charge", intent["latest_charge"])
    if refusal is None:
        came = {
            "balance_transaction": book_charge(world, charge),
            "outcome": _outcome(None, None),
            "paid": True,
            "status": "succeeded",
        }
        world.update(charge, came)
        world.emit("charge.succeeded", charge)
        account = account_of(world.fetch("payment_method", charge["payment_method"]))
        if account is not None and account.disputes:
            world.schedule(world.now, OPEN_DISPUTE, charge["id"])
        _received(world, intent, charge)
        return
    changes = {
        "amount_captured": 0,
        "captured": False,
        "failure_code": refusal.code,
        "failure_message": refusal.message,
        "outcome": _outcome(refusal, None),
        "status": "failed",
    }
    world.update(charge, changes)
    world.emit("charge.failed", charge)
    _refused(world, intent, charge, refusal)


def cancel_intent(world: World, intent: JSON, reason: str | None) -> None:
    """Nobody will be charged for this intent any more."""
    if intent["status"] in ("canceled", "succeeded"):
        return
    world.store.unschedule(intent["id"])
    changes = {
        "canceled_at": world.now,
        "cancellation_reason": reason,
        "next_action": None,
        "status": "canceled",
    }
    world.update(intent, changes)
    world.emit("payment_intent.canceled", intent)


def _received(world: World, intent: JSON, charge: JSON) -> None:
    changes = {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": charge["payment_method"],
        "status": "succeeded",
    }
    world.update(intent, changes)
    world.emit("payment_intent.succeeded", intent)


def _refused(world: World, intent: JSON, charge: JSON, refusal: Decline) -> None:
    method = world.fetch("payment_method", charge["payment_method"])
    error = refusal.error().details() | {
        "charge": charge["id"],
        "payment_method": public(world.store, method),
    }
    world.update(
        intent,
        {
            "last_payment_error": error,
            "latest_charge": charge["id"],
            "next_action": None,
            "payment_method": None,
            "status": "requires_payment_method",
        },
    )
    world.emit("payment_intent.payment_failed", intent)


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
        "created": world.own_now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": refusal.code if refusal else None,
        "failure_message": refusal.message if refusal else None,
        "fraud_details": {},
        "livemode": False,
        # https://support.stripe.com/questions/how-metadata-works-with-related-objects
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(refusal, card_of(method)),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(intent, method), "type": "card"}
        if method["type"] == "card"
        else {"sepa_debit": charge_details(world, method), "type": "sepa_debit"},
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


def _outcome(refusal: Decline | None, card: Card | None) -> JSON:
    risk = card.risk if card else "normal"
    if refusal and risk == "highest":
        return _BLOCKED
    return {
        "advice_code": "try_again_later" if refusal else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if refusal else "approved_by_network",
        "reason": (refusal.decline_code or refusal.code) if refusal else None,
        "risk_level": risk,
        "risk_score": _RISK_SCORES[risk],
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
        "network": card["networks"]["available"][0],
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


def _update_charge(call: Call) -> JSON:
    world, params = call.world, call.params
    charge = world.fetch("charge", call.ids["charge"])
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(charge["metadata"])
    for name in ("description", "receipt_email"):
        if params.sent(name):
            changes[name] = params.text(name)
    world.update(charge, changes, "charge.updated")
    return charge


OPERATIONS = (
    operation("GET", "/v1/payment_intents/{intent}", _retrieve_intent),
    listing("/v1/payment_intents", _list_intents, "created customer"),
    operation("GET", "/v1/charges/{charge}", _retrieve_charge),
    listing("/v1/charges", _list_charges, "created customer payment_intent"),
    operation("POST", "/v1/charges/{charge}", _update_charge, "description metadata receipt_email"),
)
