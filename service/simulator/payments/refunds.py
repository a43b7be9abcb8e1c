"""Refunds: money back on a charge, at once or, with two of the test cards, some time later."""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.payments.balance import book_refund
from service.simulator.payments.charges import card_of
from service.simulator.periods import HOUR
from service.simulator.protocol.errors import StripeError, invalid_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_SETTLES_AFTER = HOUR
_TO_CARD = {
    "card": {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    },
    "type": "card",
}


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    for name in ("refund_application_fee", "reverse_transfer"):
        if params.boolean(name):
            raise not_simulated(name, "Connect")
    if params.sent("origin"):
        raise not_simulated("origin", "refunds of a customer's cash balance")
    charge = _charge_to_refund(world, params)
    reason = params.choice("reason", _REASONS)
    amount = _amount(params, charge)
    refund = _refund(world, charge, amount, reason, params.metadata())
    refund["balance_transaction"] = book_refund(world, refund, is_card=_by_card(charge))
    world.create(refund, "refund.created")
    returned = charge["amount_refunded"] + amount
    world.update(
        charge,
        {"amount_refunded": returned, "refunded": returned == charge["amount"]},
        "charge.refunded",
    )
    if _late_answer(world, charge) is not None:
        world.schedule(world.now + _SETTLES_AFTER, "refund.settle", refund["id"])
    return refund


def _charge_to_refund(world: World, params: Params) -> JSON:
    """The charge that is meant.

    Raises:
        StripeError: 400, none or two are named, it took no money, or it is disputed.
    """
    charge_id = _named_charge(world, params)
    charge = world.fetch("charge", charge_id, param="charge")
    if not charge["paid"]:
        raise invalid_parameter(
            "charge", f"Charge {charge_id} took no money, so there is nothing to refund."
        )
    if charge["refunded"]:
        raise StripeError(
            400,
            f"Charge {charge_id} has already been refunded.",
            code="charge_already_refunded",
        )
    contested = [Condition("charge", "=", charge_id), Condition("is_charge_refundable", "=", False)]
    if world.store.find("dispute", contested, limit=1):
        raise StripeError(
            400,
            f"Charge {charge_id} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    return charge


def _named_charge(world: World, params: Params) -> str:
    """The charge that `charge` names, or the successful one of `payment_intent`."""
    charge_id, intent_id = params.text("charge"), params.text("payment_intent")
    if (charge_id is None) == (intent_id is None):
        raise invalid_parameter(
            "payment_intent",
            "Send one of these parameters: payment_intent, charge.",
            None if charge_id else "parameter_missing",
        )
    if intent_id is not None:
        intent = world.fetch("payment_intent", intent_id, param="payment_intent")
        if intent["status"] != "succeeded":
            raise invalid_parameter(
                "payment_intent",
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
            )
        charge_id = intent["latest_charge"]
    return str(charge_id)


def _amount(params: Params, charge: JSON) -> int:
    rest = int(charge["amount"] - charge["amount_refunded"])
    amount = params.integer("amount")
    if amount is None:
        return rest
    if amount < 1:
        raise invalid_parameter(
            "amount", "Invalid positive integer: amount.", "parameter_invalid_integer"
        )
    if amount > rest:
        raise invalid_parameter(
            "amount",
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({rest}), in "
            f"minor units of {charge['currency']}.",
        )
    return amount


def _refund(
    world: World, charge: JSON, amount: int, reason: str | None, metadata: dict[str, str]
) -> JSON:
    pending = _late_answer(world, charge) == "succeeded"
    return {
        "id": world.new_id("re", 24),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": world.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if pending else "succeeded",
        "transfer_reversal": None,
        **({"pending_reason": "processing"} if pending else {}),
        **({"destination_details": _TO_CARD} if _by_card(charge) else {}),
    }


def _by_card(charge: JSON) -> bool:
    return bool(charge["payment_method_details"]["type"] == "card")


def _late_answer(world: World, charge: JSON) -> str | None:
    """What the bank decides later about a refund of this charge; None where it has decided."""
    method = world.store.get(charge["payment_method"])
    card = card_of(method) if method else None
    return card.refund_later if card else None


def handle_settlement(world: World, identifier: str) -> None:
    """The agenda's `refund.settle`: the bank takes a refund after all, or sends it back."""
    refund = world.fetch("refund", identifier)
    charge = world.fetch("charge", refund["charge"])
    if _late_answer(world, charge) == "succeeded":
        del refund["pending_reason"]
        _announce(world, refund, {"status": "succeeded"})
        return
    back = book_refund(world, refund, is_card=_by_card(charge), failed=True)
    changes = {
        "failure_balance_transaction": back,
        "failure_reason": "unknown",
        "status": "failed",
    }
    _announce(world, refund, changes)
    world.emit("refund.failed", refund)
    returned = charge["amount_refunded"] - refund["amount"]
    world.update(charge, {"amount_refunded": returned, "refunded": False})


def _announce(world: World, refund: JSON, changes: JSON) -> None:
    """Change a refund under both names that Stripe has for the event."""
    world.update(refund, changes, "refund.updated")
    world.emit("charge.refund.updated", refund)


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("refund", call.ids["refund"])


def _update(call: Call) -> JSON:
    refund = _retrieve(call)
    if call.params.sent("metadata"):
        _announce(call.world, refund, {"metadata": call.params.metadata(refund["metadata"])})
    return refund


def _list(call: Call) -> JSON:
    conditions = created_range(call.params)
    return page(call, "refund", conditions + equalities(call.params, ["charge", "payment_intent"]))


HANDLERS = {"refund.settle": handle_settlement}

OPERATIONS = (
    operation(
        "POST",
        "/v1/refunds",
        _create,
        "amount charge metadata origin payment_intent reason refund_application_fee"
        " reverse_transfer",
    ),
    operation("GET", "/v1/refunds/{refund}", _retrieve),
    operation("POST", "/v1/refunds/{refund}", _update, "metadata"),
    listing("/v1/refunds", _list, "charge created payment_intent"),
)
