"""Setup intents: payment methods saved for later charges, without asking for money now."""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.payments.card_numbers import Decline
from service.simulator.payments.charges import asks_authentication, card_of, remember_authentication
from service.simulator.payments.customers import living_customer
from service.simulator.payments.debits import payment_method_types
from service.simulator.payments.payment_methods import (
    attach_method,
    chosen_method,
    read_automatic_methods,
)
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.protocol.expand import public
from service.simulator.store import JSON
from service.simulator.world import World

_USAGES = ("off_session", "on_session")


def new_setup_intent(
    world: World,
    *,
    customer: str | None,
    types: list[str],
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    usage: str = "off_session",
) -> JSON:
    """Create a setup intent that waits for a payment method."""
    identifier = world.new_id("seti", 24)
    options = {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    intent: JSON = {
        "id": identifier,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{identifier}_{world.new_id('secret', 25)}",
        "created": world.now,
        "customer": customer,
        "description": description,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": metadata or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"card": options},
        "payment_method_types": types,
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": usage,
    }
    return world.create(intent, "setup_intent.created")


def refuse_setup(world: World, intent: JSON, method: JSON, refusal: Decline) -> None:
    """The bank won't have the payment method saved; the intent waits for another."""
    error = refusal.error().details() | {"payment_method": public(world.store, method)}
    changes = {
        "last_setup_error": error,
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    world.update(intent, changes)
    world.emit("setup_intent.setup_failed", intent)


def ask_holder(world: World, intent: JSON, method: JSON, page: str | None = None) -> None:
    """The bank wants the card's holder to confirm, on `page`, before the card may be saved."""
    action = {
        "redirect_to_url": {"return_url": None, "url": page or f"{world.public_url}/"},
        "type": "redirect_to_url",
    }
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    world.update(intent, changes)
    world.emit("setup_intent.requires_action", intent)


def finish_setup(world: World, intent: JSON, method: JSON) -> None:
    """The payment method is saved, with the customer where there is one."""
    changes = {
        "last_setup_error": None,
        "next_action": None,
        "payment_method": method["id"],
        "status": "succeeded",
    }
    if intent["customer"] and method["customer"] is None:
        attach_method(world, method, intent["customer"])
    remember_authentication(world, method)
    world.update(intent, changes)
    world.emit("setup_intent.succeeded", intent)


def authenticate_setup(world: World, intent: JSON) -> None:
    """The card's holder confirms: the card is saved.

    Raises:
        StripeError: 400, nobody waits for that.
    """
    if intent["status"] != "requires_action":
        raise StripeError(
            400,
            f"This SetupIntent is {intent['status']}; no bank waits for its card's holder.",
            code="setup_intent_unexpected_state",
        )
    finish_setup(world, intent, world.fetch("payment_method", intent["payment_method"]))


def _create(call: Call) -> JSON | StripeError:
    world, params = call.world, call.params
    identifier = params.text("customer")
    customer = living_customer(world, identifier, "customer")["id"] if identifier else None
    intent = new_setup_intent(
        world,
        customer=customer,
        types=payment_method_types("eur"),
        description=params.text("description"),
        metadata=params.metadata(),
        usage=params.choice("usage", _USAGES) or "off_session",
    )
    if params.sent("automatic_payment_methods"):
        automatic = {"automatic_payment_methods": read_automatic_methods(params)}
        world.update(intent, automatic)
    _choose_method(call, intent)
    if not params.boolean("confirm"):
        return intent
    if intent["payment_method"] is None:
        raise invalid_parameter("confirm", "Send the payment_method to confirm with.")
    method = world.fetch("payment_method", intent["payment_method"])
    card = card_of(method)
    if card is not None and card.on_attach is not None:
        refuse_setup(world, intent, method, card.on_attach)
        return card.on_attach.error()
    if asks_authentication(method):
        ask_holder(world, intent, method)
    else:
        finish_setup(world, intent, method)
    return intent


def _choose_method(call: Call, intent: JSON) -> None:
    identifier = call.params.text("payment_method")
    if identifier is None:
        return
    method = chosen_method(call.world, identifier, "payment_method")
    changes = {"payment_method": method["id"], "status": "requires_confirmation"}
    call.world.update(intent, changes)


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("setup_intent", call.ids["intent"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    intent = _retrieve(call)
    if intent["status"] in ("succeeded", "canceled") and set(params) - {"metadata", "expand"}:
        raise StripeError(
            400,
            f"This SetupIntent is {intent['status']}; only its metadata can be changed.",
            code="setup_intent_unexpected_state",
        )
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(intent["metadata"])
    if params.sent("description"):
        changes["description"] = params.text("description")
    if params.text("customer"):
        changes["customer"] = living_customer(world, params.required("customer"), "customer")["id"]
    world.update(intent, changes)
    _choose_method(call, intent)
    return intent


def _list(call: Call) -> JSON:
    conditions = created_range(call.params) + equalities(
        call.params, ["customer", "payment_method"]
    )
    return page(call, "setup_intent", conditions)


OPERATIONS = (
    operation(
        "POST",
        "/v1/setup_intents",
        _create,
        "automatic_payment_methods confirm customer description metadata payment_method return_url"
        " usage",
    ),
    operation("GET", "/v1/setup_intents/{intent}", _retrieve),
    operation(
        "POST",
        "/v1/setup_intents/{intent}",
        _update,
        "customer description metadata payment_method",
    ),
    listing("/v1/setup_intents", _list, "created customer payment_method"),
)
