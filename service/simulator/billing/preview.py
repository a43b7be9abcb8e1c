"""Previews: the invoice that something would bring (https://docs.stripe.com/api/invoices/create_preview).

What is asked for is done, looked at, and undone, so that a preview can't differ from the real thing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from service.simulator.billing.changes import (
    begin_switch,
    changed_discounts,
    read_switch,
    read_terms,
)
from service.simulator.billing.cycle import (
    Start,
    goes_on,
    new_subscription,
    upcoming_invoice,
)
from service.simulator.billing.invoices import draft_invoice
from service.simulator.billing.plans import plan_amount, read_plan, read_trial
from service.simulator.billing.subscriptions import living_subscription, requested_cancellation
from service.simulator.catalogue.discounts import Purchase, read_discounts, redeem
from service.simulator.operations import Call, operation
from service.simulator.payments.customers import living_customer
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.expand import public
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_DETAILS = frozenset(
    {
        "billing_cycle_anchor",
        "cancel_at",
        "cancel_at_period_end",
        "items",
        "proration_behavior",
        "proration_date",
        "trial_end",
    }
)


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    params.choice("preview_mode", ("next",))
    details = params.group("subscription_details")
    details.refuse_unknown(_DETAILS)
    identifier = params.text("subscription")
    with _undone(world):
        if identifier is None:
            invoice = _of_purchase(world, params, details)
        else:
            subscription = living_subscription(world, identifier, "subscription")
            if params.text("customer") not in (None, subscription["customer"]):
                raise invalid_parameter("customer", "The subscription is another customer's.")
            invoice = _of_change(world, params, details, subscription)
        shown: JSON = public(world.store, _previewed(world, invoice))
    return shown


@contextmanager
def _undone(world: World) -> Iterator[None]:
    connection = world.store.connection
    connection.execute("SAVEPOINT preview")
    try:
        yield
    finally:
        connection.execute("ROLLBACK TO preview")
        connection.execute("RELEASE preview")


def _of_change(world: World, params: Params, details: Params, subscription: JSON) -> JSON:
    """The invoice at once, where the change makes one, else the next one."""
    also = requested_cancellation(world, details, subscription)
    if params.sent("discounts"):
        also["discounts"] = changed_discounts(world, params, subscription)
    terms = read_terms(world, details, subscription)
    switch = read_switch(world, details, {**subscription, **also}, terms)
    if switch is not None:
        invoice = begin_switch(world, subscription, switch, also)
        if invoice is not None:
            return invoice
    subscription |= also
    if not goes_on(subscription):
        raise StripeError(
            404,
            "No upcoming invoices for this subscription: it ends with its period.",
            code="invoice_upcoming_none",
        )
    return upcoming_invoice(world, subscription)


def _of_purchase(world: World, params: Params, details: Params) -> JSON:
    """The first invoice of a subscription that a customer might begin."""
    if not details.rows("items"):
        raise missing_parameter("subscription")
    customer = living_customer(world, params.required("customer"), "customer")
    plan = read_plan(world, details.rows("items"), details.name("items"))
    _, trial_end = read_trial(details, world.now)
    purchase = Purchase(customer["id"], plan.currency, plan_amount(world, plan))
    wanted = read_discounts(world, params, purchase)
    subscription = new_subscription(world, Start(customer["id"], plan, trial_end))
    subscription["discounts"] = redeem(
        world, wanted, customer=customer["id"], subscription=subscription["id"]
    )
    return draft_invoice(
        world,
        subscription,
        reason="upcoming",
        period=(world.now, world.now),
        trial=trial_end is not None,
    )


def _previewed(world: World, invoice: JSON) -> JSON:
    """With what the customer's balance would make of it."""
    balance = world.fetch("customer", invoice["customer"]).get("balance", 0)
    due = max(0, invoice["total"] + balance)
    return invoice | {
        "id": world.new_id("upcoming_in", 24),
        "amount_due": due,
        "amount_remaining": due,
        "billing_reason": "upcoming",
        "starting_balance": balance,
    }


OPERATIONS = (
    operation(
        "POST",
        "/v1/invoices/create_preview",
        _create,
        "customer discounts preview_mode subscription subscription_details",
    ),
)
