"""Ending a subscription at once, with or without credit for what is left of its period."""

from service.simulator.billing.collection import attempt
from service.simulator.billing.invoices import draft_invoice, finalise, keep_draft
from service.simulator.billing.proration import credits_for
from service.simulator.billing.subscriptions import (
    end_subscription,
    living_subscription,
    read_details,
)
from service.simulator.operations import Call, operation
from service.simulator.store import JSON
from service.simulator.world import World


def cancel_now(
    world: World, subscription: JSON, *, prorate: bool = False, invoice_now: bool = False
) -> None:
    """End a subscription (https://docs.stripe.com/api/subscriptions/cancel).

    `prorate` leaves credits that wait for an invoice; `invoice_now` makes that invoice, with
    whatever else waits, as the subscription's last one.
    """
    if prorate:
        for item in subscription["items"]["data"]:
            for credit in credits_for(world, subscription, item, world.now):
                world.create(credit, "invoiceitem.created")
    if invoice_now:
        _bill_what_waits(world, subscription)
        subscription |= world.fetch("subscription", subscription["id"])
    end_subscription(world, subscription)


def _bill_what_waits(world: World, subscription: JSON) -> None:
    now = (world.now, world.now)
    invoice = draft_invoice(world, subscription, reason="subscription_update", period=now, items=[])
    if invoice["lines"]["data"]:
        changes = keep_draft(world, subscription, invoice)
        world.update(subscription, changes, "customer.subscription.updated")
        finalise(world, invoice)
        attempt(world, invoice)


def _cancel(call: Call) -> JSON:
    world, params = call.world, call.params
    subscription = living_subscription(world, call.ids["subscription"])
    details = read_details(params.group("cancellation_details"))
    subscription["cancellation_details"] |= details
    world.store.put(subscription)
    cancel_now(
        world,
        subscription,
        prorate=bool(params.boolean("prorate")),
        invoice_now=bool(params.boolean("invoice_now")),
    )
    return subscription


OPERATIONS = (
    operation(
        "DELETE",
        "/v1/subscriptions/{subscription}",
        _cancel,
        "cancellation_details invoice_now prorate",
    ),
)
