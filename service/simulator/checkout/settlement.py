"""What a bank debit under way ends in, for its intent, its invoice and its Checkout session."""

from service.simulator.billing.collection import debit_ended
from service.simulator.checkout.receipts import receipt
from service.simulator.payments.card_numbers import Decline
from service.simulator.payments.charges import end_debit
from service.simulator.payments.debits import account_of
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_REFUSED = "debit_not_authorized"


def handle_settlement(world: World, identifier: str) -> None:
    """The agenda's `debit.settle`: the bank answers as the account's number says."""
    intent = world.fetch("payment_intent", identifier)
    account = account_of(world.fetch("payment_method", intent["payment_method"]))
    settle(world, intent, account.failure if account else None)


def settle_session(world: World, session: JSON, *, succeed: bool) -> JSON:
    """End a session's bank debit now, whatever the account's number says.

    Raises:
        StripeError: 400, no debit is under way.
    """
    intent = _intent_of(world, session)
    if session["payment_status"] != "unpaid" or intent is None:
        raise StripeError(400, "No bank debit of this Checkout Session is under way.")
    settle(world, intent, None if succeed else _REFUSED)
    return world.fetch("checkout.session", session["id"])


def settle(world: World, intent: JSON, failure: str | None) -> None:
    """End the bank debit of an intent; `failure` is the bank's reason, None if the money came."""
    if intent["status"] != "processing":
        return
    refusal = Decline(failure, None, _message(failure)) if failure else None
    end_debit(world, intent, refusal)
    invoice = _invoice_of(world, intent)
    if invoice is not None:
        debit_ended(world, invoice, paid=refusal is None)
    session = _session_of(world, intent, invoice)
    if session is None:
        return
    if refusal is not None:
        world.emit("checkout.session.async_payment_failed", session)
        return
    world.update(session, {"payment_status": "paid", **receipt(world, session, intent)})
    world.emit("checkout.session.async_payment_succeeded", session)


def _message(failure: str) -> str:
    if failure == "insufficient_funds":
        return "The customer's account has insufficient funds to cover this payment."
    return "The bank refused the debit: the account's holder has not authorised it."


def _intent_of(world: World, session: JSON) -> JSON | None:
    identifier = session["payment_intent"]
    if identifier is None and session["invoice"] is not None:
        found = world.store.find(
            "invoice_payment", [Condition("invoice", "=", session["invoice"])], limit=1
        )
        identifier = found[0]["payment"]["payment_intent"] if found else None
    intent = world.store.get(identifier) if identifier else None
    return intent if intent and intent["status"] == "processing" else None


def _invoice_of(world: World, intent: JSON) -> JSON | None:
    condition = Condition("payment.payment_intent", "=", intent["id"])
    found = world.store.find("invoice_payment", [condition], limit=1)
    return world.fetch("invoice", found[0]["invoice"]) if found else None


def _session_of(world: World, intent: JSON, invoice: JSON | None) -> JSON | None:
    """The session that waits for this debit: a renewal's has long been paid."""
    own = Condition("payment_intent", "=", intent["id"])
    if invoice is not None:
        own = Condition("invoice", "=", invoice["id"])
    waiting = [
        own,
        Condition("status", "=", "complete"),
        Condition("payment_status", "=", "unpaid"),
    ]
    found = world.store.find("checkout.session", waiting, limit=1)
    return found[0] if found else None
