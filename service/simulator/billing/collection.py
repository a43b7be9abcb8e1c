"""Collecting invoices: charges, and what success and failure do to the subscription (dunning)."""

from service.simulator.billing.invoice_payments import payment_of
from service.simulator.billing.invoices import invoices_of, mark_paid, stop_collection
from service.simulator.billing.subscriptions import end_subscription, resume_subscription
from service.simulator.operations import Call, operation
from service.simulator.payments.card_numbers import Decline
from service.simulator.payments.charges import AUTHENTICATION, cancel_intent, confirm
from service.simulator.payments.payment_methods import payer
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.store import JSON
from service.simulator.world import World

RESUME_ON_ATTEMPT = "resume_on_payment_attempt"
PAYABLE = ("open", "uncollectible")
_UNSETTLED = ("incomplete", "past_due", "paused", "unpaid")


def attempt(
    world: World, invoice: JSON, method: JSON | None = None, *, authenticated: bool = False
) -> Decline | None:
    """Try to collect an open invoice from `method`, or from the payment method it falls to.

    `authenticated` says that the card's holder confirms the charge.

    Returns:
        None if it is paid now or a bank debit is under way, else why not.
    """
    subscription = subscription_of(world, invoice)
    payment = payment_of(world, invoice)
    if payment is not None:
        intent = world.fetch("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] == "processing":
            return None
        charged = method or _payer(world, invoice, subscription)
        refusal = confirm(
            world,
            intent,
            charged,
            authenticated=authenticated,
            page=invoice["hosted_invoice_url"],
        )
        if refusal is not None:
            _failed(world, invoice, subscription)
            if refusal is AUTHENTICATION:
                world.emit("invoice.payment_action_required", invoice)
            return refusal
        if intent["status"] == "processing":
            world.update(invoice, {"attempted": True, "next_payment_attempt": None})
            world.store.unschedule(invoice["id"])
            if subscription is not None:
                _debit_begun(world, subscription)
            return None
    _collected(world, invoice, subscription)
    return None


def _debit_begun(world: World, subscription: JSON) -> None:
    """A subscription whose first debit is under way may be active already: Stripe has done both."""
    if subscription["status"] == "incomplete" and world.rules.debit_starts == "active":
        world.store.unschedule(subscription["id"], "subscription.expire_incomplete")
        world.update(subscription, {"status": "active"}, "customer.subscription.updated")


def subscription_of(world: World, invoice: JSON) -> JSON | None:
    """The subscription that an invoice bills; None for a one-off invoice."""
    parent = invoice["parent"]
    if parent is None:
        return None
    return world.fetch("subscription", parent["subscription_details"]["subscription"])


def _payer(world: World, invoice: JSON, subscription: JSON | None) -> JSON | None:
    own = invoice["default_payment_method"]
    return world.store.get(own) if own else payer(world, subscription or invoice)


def _collected(world: World, invoice: JSON, subscription: JSON | None) -> None:
    world.update(invoice, {"status_details": None})
    mark_paid(world, invoice)
    if subscription is not None:
        _keep_method(world, invoice, subscription)
        settle(world, subscription)


def _keep_method(world: World, invoice: JSON, subscription: JSON) -> None:
    """What paid the invoice pays the next ones too, where the subscription's settings say so."""
    payment = payment_of(world, invoice)
    if payment and subscription["payment_settings"]["save_default_payment_method"] != "off":
        intent = world.fetch("payment_intent", payment["payment"]["payment_intent"])
        world.update(subscription, {"default_payment_method": intent["payment_method"]})


def settle(world: World, subscription: JSON) -> None:
    """Bring an overdue or incomplete subscription's status in line with its invoices.

    The most recent finalised invoice that isn't void decides: paid or uncollectible, and the
    subscription is active again (https://docs.stripe.com/billing/subscriptions/overview). One that
    has not begun needs its first invoice paid; void, and it never begins. A paused one resumes when
    the invoice of its resumption is settled.
    """
    if subscription["status"] not in _UNSETTLED:
        return
    decisive = invoices_of(world, subscription["id"], ("open", "paid", "uncollectible"))
    status = decisive[0]["status"] if decisive else "void"
    if subscription["status"] in ("past_due", "unpaid") and status != "open":
        world.update(subscription, {"status": "active"}, "customer.subscription.updated")
    elif subscription["status"] == "paused" and status in ("paid", "uncollectible"):
        if _resumes(decisive[0]):
            resume_subscription(world, subscription)
    elif subscription["status"] == "incomplete" and status == "paid":
        world.store.unschedule(subscription["id"], "subscription.expire_incomplete")
        world.update(subscription, {"status": "active"}, "customer.subscription.updated")
    elif subscription["status"] == "incomplete" and status == "void":
        world.store.unschedule(subscription["id"])
        changes = {"ended_at": world.now, "status": "incomplete_expired"}
        world.update(subscription, changes, "customer.subscription.updated")


def _resumes(invoice: JSON) -> str | None:
    """The payment_behavior of the resumption that an invoice bills, if it bills one."""
    behaviour: str | None = invoice.get("_sim", {}).get("resumption")
    return behaviour


def debit_ended(world: World, invoice: JSON, *, paid: bool) -> None:
    """A bank debit for an open invoice came in, or was refused."""
    subscription = subscription_of(world, invoice)
    if paid:
        _collected(world, invoice, subscription)
        return
    _failed(world, invoice, subscription)
    if subscription is not None and subscription["status"] == "incomplete":
        expiry = world.now + world.rules.incomplete_expires
        world.schedule(expiry, "subscription.expire_incomplete", subscription["id"])


def is_under_way(world: World, invoice: JSON) -> bool:
    """Whether a bank debit for this invoice waits for the bank's answer."""
    payment = payment_of(world, invoice)
    if payment is None:
        return False
    intent = world.fetch("payment_intent", payment["payment"]["payment_intent"])
    return bool(intent["status"] == "processing")


def _failed(world: World, invoice: JSON, subscription: JSON | None) -> None:
    rules = world.rules
    attempts = invoice["attempt_count"] + 1
    status = subscription["status"] if subscription else None
    retried = status != "incomplete" and invoice["auto_advance"]
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
    if subscription is None:
        return
    if status in ("active", "trialing") and _is_newest(world, subscription, invoice):
        world.update(subscription, {"status": "past_due"}, "customer.subscription.updated")
    if status == "paused" and _resumes(invoice) == RESUME_ON_ATTEMPT:
        resume_subscription(world, subscription, "past_due")
    if retried and next_attempt is None and status != "paused":
        _give_up(world, subscription)


def _is_newest(world: World, subscription: JSON, invoice: JSON) -> bool:
    """Whether this is the invoice that decides on the subscription's status (see `settle`)."""
    newest = invoices_of(world, subscription["id"], ("open", "paid", "uncollectible"))[0]
    return bool(newest["id"] == invoice["id"])


def _give_up(world: World, subscription: JSON) -> None:
    """All tries failed: do what the account's settings say."""
    if world.rules.dunning_end == "cancel":
        end_subscription(world, subscription, "payment_failed")
    elif world.rules.dunning_end == "mark_unpaid":
        stop_collection(world, subscription)
        world.update(subscription, {"status": "unpaid"}, "customer.subscription.updated")


def void(world: World, invoice: JSON) -> None:
    """Declare an open or uncollectible invoice a mistake: nobody owes it.

    Raises:
        StripeError: 400, a bank debit for it is under way.
    """
    refuse_in_flight(world, invoice)
    _close(world, invoice, {"status": "void"}, "voided_at")
    payment = payment_of(world, invoice)
    if payment is not None:
        moments = {**payment["status_transitions"], "canceled_at": world.now}
        world.update(payment, {"status": "canceled", "status_transitions": moments})
        intent = world.fetch("payment_intent", payment["payment"]["payment_intent"])
        cancel_intent(world, intent, "void_invoice")
    world.emit("invoice.voided", invoice)
    _return_credit(world, invoice)
    subscription = subscription_of(world, invoice)
    if subscription is not None:
        settle(world, subscription)


def refuse_in_flight(world: World, invoice: JSON) -> None:
    """Refuse what can't be done to an invoice while a bank debit for it is under way."""
    payment = payment_of(world, invoice)
    intent = world.fetch("payment_intent", payment["payment"]["payment_intent"]) if payment else {}
    if intent.get("status") == "processing":
        raise StripeError(
            400, "A bank debit for this invoice is under way: wait until it has come in or failed."
        )


def _return_credit(world: World, invoice: JSON) -> None:
    """The customer has back what their balance gave to, or took from, a voided invoice."""
    customer = world.fetch("customer", invoice["customer"])
    moved = (invoice["ending_balance"] or 0) - invoice["starting_balance"]
    if moved and not customer.get("deleted"):
        world.update(customer, {"balance": customer["balance"] - moved}, "customer.updated")


def mark_uncollectible(world: World, invoice: JSON) -> None:
    """Give an open invoice up as a bad debt; it can still be paid or voided."""
    reason = {"uncollectible": {"reason": "user_forgiven"}}
    changes = {"status": "uncollectible", "status_details": reason}
    _close(world, invoice, changes, "marked_uncollectible_at")
    world.emit("invoice.marked_uncollectible", invoice)
    subscription = subscription_of(world, invoice)
    if subscription is not None:
        settle(world, subscription)


def _close(world: World, invoice: JSON, changes: JSON, moment: str) -> None:
    world.store.unschedule(invoice["id"])
    still = {"auto_advance": False, "next_payment_attempt": None, "status_details": None}
    moments = {**invoice["status_transitions"], moment: world.now}
    world.update(invoice, {**still, "status_transitions": moments, **changes}, "invoice.updated")


def handle_retry(world: World, identifier: str) -> None:
    """The agenda's `invoice.retry`: dunning tries an open invoice again."""
    invoice = world.fetch("invoice", identifier)
    if invoice["status"] == "open":
        attempt(world, invoice)


def authenticate(world: World, invoice: JSON) -> Decline | None:
    """The card's holder confirms the charge that an invoice waits for.

    Raises:
        StripeError: 400, the invoice waits for no confirmation.
    """
    payment = payment_of(world, invoice)
    intent = world.fetch("payment_intent", payment["payment"]["payment_intent"]) if payment else {}
    if intent.get("status") != "requires_action":
        raise StripeError(400, f"Invoice {invoice['id']} waits for no confirmation of a charge.")
    method = world.fetch("payment_method", intent["payment_method"])
    return attempt(world, invoice, method, authenticated=True)


def _pay(call: Call) -> JSON | StripeError:
    world, params = call.world, call.params
    invoice = world.fetch("invoice", call.ids["invoice"])
    if invoice["status"] not in PAYABLE:
        raise StripeError(
            400,
            f"This invoice can't be paid: it is {invoice['status']}, not open.",
            code="invoice_not_editable" if invoice["status"] == "draft" else None,
        )
    refuse_in_flight(world, invoice)
    if params.boolean("paid_out_of_band"):
        _paid_elsewhere(world, invoice)
        return invoice
    identifier = params.text("payment_method")
    method = None
    if identifier:
        method = world.fetch("payment_method", identifier, param="payment_method")
        if method["customer"] != invoice["customer"]:
            raise invalid_parameter(
                "payment_method",
                f"The customer of this invoice has no payment method with the ID {identifier}. "
                "Attach it first.",
            )
    refusal = attempt(world, invoice, method)
    return invoice if refusal is None else refusal.error()


def _paid_elsewhere(world: World, invoice: JSON) -> None:
    """The money came in cash, say: the invoice is paid without a charge."""
    payment = payment_of(world, invoice)
    if payment is not None:
        moments = {**payment["status_transitions"], "canceled_at": world.now}
        world.update(payment, {"status": "canceled", "status_transitions": moments})
        cancel_intent(
            world, world.fetch("payment_intent", payment["payment"]["payment_intent"]), None
        )
    changes = {
        "amount_paid": invoice["amount_due"],
        "amount_paid_off_stripe": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": True,
        "status": "paid",
    }
    _close(world, invoice, changes, "paid_at")
    world.emit("invoice.paid", invoice)
    subscription = subscription_of(world, invoice)
    if subscription is not None:
        settle(world, subscription)


OPERATIONS = (
    operation(
        "POST",
        "/v1/invoices/{invoice}/pay",
        _pay,
        "off_session paid_out_of_band payment_method",
    ),
)
