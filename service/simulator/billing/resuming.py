"""The status `paused`: stopping a subscription altogether, and taking it up again.

See https://docs.stripe.com/api/subscriptions/pause and .../resume. A paused subscription begins no
periods and makes no invoices; resuming it makes one, whose payment ends the pause.
"""

from service.simulator.billing.changes import Switch, Terms, apply_switch, begin_switch, restarted
from service.simulator.billing.collection import RESUME_ON_ATTEMPT, attempt, void
from service.simulator.billing.invoices import finalise
from service.simulator.billing.proration import credits_for, debit_for
from service.simulator.billing.subscriptions import (
    living_subscription,
    pause_subscription,
    resume_subscription,
)
from service.simulator.operations import Call, operation
from service.simulator.periods import next_boundary, previous_boundary
from service.simulator.protocol.errors import StripeError
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_BEHAVIOURS = ("always_invoice", "create_prorations", "none")
_RESUME_ON_SUCCESS = "resume_on_payment_success"


def _pause(call: Call) -> JSON:
    world, params = call.world, call.params
    subscription = living_subscription(world, call.ids["subscription"])
    params.choice("type", ("subscription",))
    if subscription["status"] != "active":
        raise StripeError(
            400,
            f"Only an active subscription can be paused; this one is {subscription['status']}.",
        )
    behaviour = params.choice("invoicing_behavior", ("invoice", "pending_invoice_item"))
    unused = _unused(world, params, subscription)
    sim = {**subscription["_sim"], "debits": {}}
    switch = Switch({"_sim": sim}, unused, [], behaviour == "invoice" and bool(unused))
    apply_switch(world, subscription, switch, {})
    paused = world.fetch("subscription", subscription["id"])
    pause_subscription(world, paused, "pause_requested")
    return paused


def _unused(world: World, params: Params, subscription: JSON) -> list[JSON]:
    """Credits for what was billed and won't be used, as `bill_for` wants them."""
    billed = params.group("bill_for")
    billed.refuse_unknown(frozenset({"outstanding_usage_through", "unused_time_from"}))
    usage = billed.group("outstanding_usage_through")
    usage.refuse_unknown(frozenset({"type"}))
    usage.choice("type", ("none", "now"))  # nothing is metered here
    unused = billed.group("unused_time_from")
    unused.refuse_unknown(frozenset({"type"}))
    start = unused.choice("type", ("item_current_period_start", "none", "now")) or "now"
    if start == "none":
        return []
    return [
        made
        for item in subscription["items"]["data"]
        for made in credits_for(
            world,
            subscription,
            item,
            world.now if start == "now" else item["current_period_start"],
        )
    ]


def _resume(call: Call) -> JSON:
    world, params = call.world, call.params
    subscription = living_subscription(world, call.ids["subscription"])
    if subscription["status"] != "paused":
        raise StripeError(
            400,
            f"Only a paused subscription can be resumed; this one is {subscription['status']}.",
        )
    anchor = params.group("billing_cycle_anchor")
    anchor.refuse_unknown(frozenset({"type"}))
    terms = Terms(
        proration=params.choice("proration_behavior", _BEHAVIOURS) or "create_prorations",
        at=world.now,
        restart=anchor.choice("type", ("now", "unchanged")) != "unchanged",
    )
    behaviour = (
        params.choice("payment_behavior", (RESUME_ON_ATTEMPT, _RESUME_ON_SUCCESS))
        or RESUME_ON_ATTEMPT
    )
    switch = _taken_up(world, subscription, terms)
    invoice = begin_switch(world, subscription, switch, {})
    if invoice is None:
        resume_subscription(world, subscription)
    else:
        _collect(world, invoice, behaviour)
    return world.fetch("subscription", subscription["id"])


def _collect(world: World, invoice: JSON, behaviour: str) -> None:
    """Have the invoice's payment end the pause (see collection.py)."""
    collects = behaviour == _RESUME_ON_SUCCESS
    world.update(invoice, {"auto_advance": collects, "_sim": {"resumption": behaviour}})
    finalise(world, invoice)
    if collects or not invoice["amount_due"]:
        attempt(world, invoice)
    if invoice["status"] == "open":
        expiry = world.now + world.rules.incomplete_expires
        world.schedule(expiry, "subscription.drop_resumption", invoice["id"])


def _taken_up(world: World, subscription: JSON, terms: Terms) -> Switch:
    """What resuming changes, and what it bills: a whole period, or what is left of the present."""
    sim, items = subscription["_sim"], subscription["items"]["data"]
    if terms.restart:
        fresh = restarted(world, subscription, items, sim)
        return Switch(fresh, [], fresh["items"]["data"], invoiced=True)
    anchor = subscription["billing_cycle_anchor"]
    every = (anchor, sim["interval"], sim["interval_count"], world.now)
    period = {
        "current_period_end": next_boundary(*every),
        "current_period_start": previous_boundary(*every),
    }
    data = [{**item, **period} for item in items]
    changes: JSON = {"items": {**subscription["items"], "data": data}}
    if terms.proration == "none":
        return Switch(changes, [], [], invoiced=False)
    made = [(item["id"], *debit_for(world, subscription, item, world.now)) for item in data]
    changes["_sim"] = {**sim, "debits": {item: [debit] for item, _, debit in made}}
    prorations = [proration for _, proration, _ in made if proration["amount"]]
    return Switch(
        changes, prorations, [], invoiced=terms.proration == "always_invoice" and bool(prorations)
    )


def handle_drop(world: World, identifier: str) -> None:
    """The agenda's `subscription.drop_resumption`: nobody tried to pay, the pause goes on."""
    invoice = world.fetch("invoice", identifier)
    if invoice["status"] == "open" and not invoice["attempted"]:
        void(world, invoice)


HANDLERS = {"subscription.drop_resumption": handle_drop}

OPERATIONS = (
    operation(
        "POST", "/v1/subscriptions/{subscription}/pause", _pause, "bill_for invoicing_behavior type"
    ),
    operation(
        "POST",
        "/v1/subscriptions/{subscription}/resume",
        _resume,
        "billing_cycle_anchor payment_behavior proration_behavior",
    ),
)
