"""Payment intents through the API: made, changed, confirmed and cancelled there.

An invoice's intent belongs to the invoice: confirming it pays the invoice, and it is cancelled by
voiding the invoice.
"""

from service.simulator.billing.collection import attempt, authenticate
from service.simulator.operations import Call, operation
from service.simulator.payments.amounts import refuse_small
from service.simulator.payments.charges import cancel_intent, confirm, new_intent
from service.simulator.payments.customers import living_customer
from service.simulator.payments.payment_methods import (
    attach_method,
    chosen_method,
    read_automatic_methods,
)
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.forms import LARGEST_AMOUNT, Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_UNCONFIRMED = ("requires_payment_method", "requires_confirmation", "requires_action")
_LEAST = "Amount must be"
_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_USAGES = ("off_session", "on_session")


def _create(call: Call) -> JSON | StripeError:
    world, params = call.world, call.params
    amount = params.integer("amount")
    if amount is None:
        raise missing_parameter("amount")
    if not 1 <= amount <= LARGEST_AMOUNT:
        raise invalid_parameter("amount", f"amount must be between 1 and {LARGEST_AMOUNT}.")
    refuse_small(amount, params.currency(), _LEAST, "amount")
    if params.text("customer"):
        living_customer(world, params.required("customer"), "customer")
    usage = params.choice("setup_future_usage", _USAGES)
    intent = new_intent(
        world,
        amount=amount,
        currency=params.currency(),
        customer=params.text("customer"),
        description=params.text("description"),
        future_usage=usage,
    )
    changes: JSON = {"metadata": params.metadata(), "receipt_email": params.text("receipt_email")}
    if params.sent("automatic_payment_methods"):
        changes["automatic_payment_methods"] = read_automatic_methods(params)
    world.update(intent, changes)
    method = _method(world, params, intent)
    if params.boolean("confirm"):
        return _confirmed(world, intent, method, params)
    if method is not None:
        chosen = {"payment_method": method["id"], "status": "requires_confirmation"}
        world.update(intent, chosen)
    return intent


def _method(world: World, params: Params, intent: JSON) -> JSON | None:
    """The payment method that was sent.

    Raises:
        StripeError: 400, there is none, or it is another customer's.
    """
    identifier = params.text("payment_method")
    if identifier is None:
        return None
    method = chosen_method(world, identifier, "payment_method")
    if method["customer"] not in (None, intent["customer"]):
        raise invalid_parameter(
            "payment_method", "This payment method is another customer's than the intent."
        )
    return method


def _invoice_of(world: World, intent: JSON) -> JSON | None:
    payments = world.store.find(
        "invoice_payment", [Condition("payment.payment_intent", "=", intent["id"])], limit=1
    )
    return world.fetch("invoice", payments[0]["invoice"]) if payments else None


def _in(call: Call, statuses: tuple[str, ...], done: str) -> JSON:
    """The intent.

    Raises:
        StripeError: 404, there is none; 400, it is in no state for this.
    """
    intent = call.world.fetch("payment_intent", call.ids["intent"])
    if intent["status"] not in statuses:
        raise StripeError(
            400,
            f"This PaymentIntent can't be {done}: its status is {intent['status']}, not one of "
            f"{', '.join(statuses)}.",
            code="payment_intent_unexpected_state",
            extra={"payment_intent": _shown(intent)},
        )
    return intent


def _shown(intent: JSON) -> JSON:
    return {key: value for key, value in intent.items() if key != "_sim"}


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    intent = world.fetch("payment_intent", call.ids["intent"])
    if set(params) - {"description", "expand", "metadata"}:
        intent = _in(call, _UNCONFIRMED, "changed")
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(intent["metadata"])
    if params.sent("description"):
        changes["description"] = params.text("description")
    amount = params.integer("amount")
    if amount is not None:
        if not 1 <= amount <= LARGEST_AMOUNT or _invoice_of(world, intent):
            raise invalid_parameter(
                "amount",
                f"amount must be between 1 and {LARGEST_AMOUNT}, and an invoice's intent keeps its "
                "own.",
            )
        refuse_small(amount, intent["currency"], _LEAST, "amount")
        changes["amount"] = amount
    method = _method(world, params, intent)
    if method is not None:
        changes |= {"payment_method": method["id"], "status": "requires_confirmation"}
    world.update(intent, changes)
    return intent


def _confirm(call: Call) -> JSON | StripeError:
    world = call.world
    intent = _in(call, _UNCONFIRMED, "confirmed")
    method = _method(world, call.params, intent)
    if method is None and intent["payment_method"]:
        method = world.fetch("payment_method", intent["payment_method"])
    return _confirmed(world, intent, method, call.params)


def _confirmed(
    world: World, intent: JSON, method: JSON | None, params: Params
) -> JSON | StripeError:
    """Charge now; a card whose holder must confirm leaves the intent waiting for them."""
    if method is None:
        raise StripeError(
            400,
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            extra={"payment_intent": _shown(intent)},
        )
    invoice = _invoice_of(world, intent)
    refusal = confirm(world, intent, method) if invoice is None else attempt(world, invoice, method)
    intent = _saved(world, intent["id"])
    waits = intent["status"] == "requires_action" and not params.boolean("off_session")
    if refusal is None or waits:
        return intent
    error = refusal.error()
    error.extra = {**error.extra, "payment_intent": _shown(intent)}
    return error


def authenticate_intent(world: World, intent: JSON) -> StripeError | None:
    """The card's holder confirms the charge that an intent waits for.

    Returns:
        None if it is paid now, else why not.

    Raises:
        StripeError: 400, it waits for no confirmation.
    """
    if intent["status"] != "requires_action":
        raise StripeError(400, f"PaymentIntent {intent['id']} waits for no confirmation.")
    invoice = _invoice_of(world, intent)
    if invoice is not None:
        refusal = authenticate(world, invoice)
    else:
        method = world.fetch("payment_method", intent["payment_method"])
        refusal = confirm(world, intent, method, authenticated=True)
    _saved(world, intent["id"])
    return refusal.error() if refusal else None


def _saved(world: World, identifier: str) -> JSON:
    """The intent after a charge; its payment method now is its customer's, where it is to be saved."""
    intent = world.fetch("payment_intent", identifier)
    if intent["setup_future_usage"] and intent["customer"] and intent["latest_charge"]:
        method = world.store.get(intent["payment_method"] or "")
        if method is not None and method["customer"] is None:
            attach_method(world, method, intent["customer"])
    return intent


def _cancel(call: Call) -> JSON:
    world = call.world
    reason = call.params.choice("cancellation_reason", _REASONS)
    intent = _in(call, _UNCONFIRMED, "canceled")
    if _invoice_of(world, intent) is not None:
        raise StripeError(
            400,
            "This PaymentIntent belongs to an invoice: void the invoice instead.",
            code="payment_intent_unexpected_state",
        )
    cancel_intent(world, intent, reason)
    return intent


OPERATIONS = (
    operation(
        "POST",
        "/v1/payment_intents",
        _create,
        "amount automatic_payment_methods confirm currency customer description metadata"
        " off_session payment_method receipt_email return_url setup_future_usage",
    ),
    operation(
        "POST",
        "/v1/payment_intents/{intent}",
        _update,
        "amount description metadata payment_method",
    ),
    operation(
        "POST",
        "/v1/payment_intents/{intent}/confirm",
        _confirm,
        "off_session payment_method return_url",
    ),
    operation("POST", "/v1/payment_intents/{intent}/cancel", _cancel, "cancellation_reason"),
)
