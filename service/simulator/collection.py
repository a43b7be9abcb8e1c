"""Collecting invoices: charges, and what success and failure do to the subscription (dunning)."""

from service.simulator.cards import Decline
from service.simulator.errors import StripeError
from service.simulator.invoices import mark_paid, payment_of, stop_collection
from service.simulator.operations import Call, operation
from service.simulator.payment_methods import payer
from service.simulator.payments import confirm
from service.simulator.store import JSON
from service.simulator.subscriptions import end_subscription
from service.simulator.world import World


def attempt(world: World, invoice: JSON, method: JSON | None = None) -> Decline | None:
    """Try to collect an open invoice from `method`, or from the subscription's payment method.

    Returns:
        None if it is paid now, else why not.
    """
    subscription = _subscription(world, invoice)
    payment = payment_of(world, invoice)
    if payment is not None:
        intent = world.fetch("payment_intent", payment["payment"]["payment_intent"])
        refusal = confirm(world, intent, method or payer(world, subscription))
        if refusal is not None:
            _failed(world, invoice, subscription)
            return refusal
        if intent["status"] == "processing":
            world.update(invoice, {"attempted": True, "next_payment_attempt": None})
            world.store.unschedule(invoice["id"])
            return None
    _collected(world, invoice, subscription)
    return None


def _collected(world: World, invoice: JSON, subscription: JSON) -> None:
    mark_paid(world, invoice)
    latest = subscription["latest_invoice"] == invoice["id"]
    if latest and subscription["status"] in ("incomplete", "past_due", "unpaid"):
        world.store.unschedule(subscription["id"], "subscription.expire_incomplete")
        world.update(subscription, {"status": "active"}, "customer.subscription.updated")


def debit_ended(world: World, invoice: JSON, *, paid: bool) -> None:
    """A bank debit for an open invoice came in, or was refused."""
    subscription = _subscription(world, invoice)
    if paid:
        _collected(world, invoice, subscription)
    else:
        _failed(world, invoice, subscription)


def _failed(world: World, invoice: JSON, subscription: JSON) -> None:
    rules = world.rules
    attempts = invoice["attempt_count"] + 1
    retried = subscription["status"] != "incomplete" and invoice["auto_advance"]
    next_attempt = (
        world.now + rules.dunning_interval
        if retried and attempts < rules.dunning_attempts
        else None
    )
    changes = {
        "attempt_count": attempts,
        "attempted": True,
        "next_payment_attempt": next_attempt,
    }
    world.store.unschedule(invoice["id"])
    world.update(invoice, changes, "invoice.updated")
    world.emit("invoice.payment_failed", invoice)
    if next_attempt is not None:
        world.schedule(next_attempt, "invoice.retry", invoice["id"])
    if subscription["status"] in ("active", "trialing"):
        world.update(subscription, {"status": "past_due"}, "customer.subscription.updated")
    if retried and next_attempt is None:
        _give_up(world, subscription)


def _give_up(world: World, subscription: JSON) -> None:
    """All tries failed: do what the account's settings say."""
    if world.rules.dunning_end == "cancel":
        end_subscription(world, subscription, "payment_failed")
    elif world.rules.dunning_end == "mark_unpaid":
        stop_collection(world, subscription)
        world.update(subscription, {"status": "unpaid"}, "customer.subscription.updated")


def _subscription(world: World, invoice: JSON) -> JSON:
    return world.fetch("subscription", invoice["parent"]["subscription_details"]["subscription"])


def handle_retry(world: World, identifier: str) -> None:
    """The agenda's `invoice.retry`: dunning tries an open invoice again."""
    invoice = world.fetch("invoice", identifier)
    if invoice["status"] == "open":
        attempt(world, invoice)


def _pay(call: Call) -> JSON | StripeError:
    world = call.world
    invoice = world.fetch("invoice", call.ids["invoice"])
    if invoice["status"] != "open":
        raise StripeError(
            400,
            f"This invoice can't be paid: it is {invoice['status']}, not open.",
            code="invoice_not_editable" if invoice["status"] == "draft" else None,
        )
    identifier = call.params.text("payment_method")
    method = (
        world.fetch("payment_method", identifier, param="payment_method") if identifier else None
    )
    refusal = attempt(world, invoice, method)
    return invoice if refusal is None else refusal.error()


OPERATIONS = (operation("POST", "/v1/invoices/{invoice}/pay", _pay, "off_session payment_method"),)
