"""Changing a subscription: another price or quantity, its trial's end, what it is paid with.

How a switch is billed is told at https://docs.stripe.com/billing/subscriptions/change-price.
"""

from dataclasses import dataclass

from service.simulator.billing.collection import attempt
from service.simulator.billing.cycle import hold_back
from service.simulator.billing.invoices import draft_invoice, finalise, keep_draft
from service.simulator.billing.pausing import requested_pause
from service.simulator.billing.plans import read_trial_settings, terms_of
from service.simulator.billing.proration import credits_for, debit_for
from service.simulator.billing.subscription_items import changed_items
from service.simulator.billing.subscriptions import (
    living_subscription,
    own_method,
    period_of,
    read_details,
    read_payment_settings,
    requested_cancellation,
    schedule_cycle,
)
from service.simulator.catalogue.discounts import (
    Purchase,
    read_discounts,
    redeem,
    without_discounts,
)
from service.simulator.operations import Call, operation
from service.simulator.periods import after
from service.simulator.protocol.errors import StripeError, invalid_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_BEHAVIOURS = ("always_invoice", "create_prorations", "none")
_FIELDS = (
    "billing_cycle_anchor cancel_at cancel_at_period_end cancellation_details"
    " default_payment_method description discounts items metadata off_session pause_collection"
    " payment_behavior payment_settings proration_behavior proration_date trial_end trial_settings"
)


@dataclass(frozen=True)
class Terms:
    """How a switch is billed: `proration` is Stripe's proration_behavior, `at` a Unix time."""

    proration: str
    at: int
    restart: bool = False
    refuse_unpaid: bool = False


@dataclass(frozen=True)
class Switch:
    """What another set of items brings.

    `changes` are the subscription's, `prorations` invoice items that aren't kept yet. `billed` are
    the items whose whole new period is billed at once; `invoiced` says whether there is an invoice
    at once at all.
    """

    changes: JSON
    prorations: list[JSON]
    billed: list[JSON]
    invoiced: bool


def read_terms(world: World, params: Params, subscription: JSON) -> Terms:
    """How the parameters of an update want a switch to be billed.

    Raises:
        StripeError: 400, no such behaviour, one that isn't simulated, or a date outside the period.
    """
    behaviour = params.choice(
        "payment_behavior",
        ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
    )
    if behaviour in ("default_incomplete", "pending_if_incomplete"):
        raise not_simulated(
            params.name("payment_behavior"), f"updates with payment_behavior={behaviour}"
        )
    start, end = period_of(subscription)
    at = params.integer("proration_date")
    if at is not None and not start <= at <= end:
        raise invalid_parameter(
            params.name("proration_date"), "proration_date must lie within the present period."
        )
    return Terms(
        proration=params.choice("proration_behavior", _BEHAVIOURS) or "create_prorations",
        at=world.now if at is None else at,
        restart=_read_anchor(params) == "now",
        refuse_unpaid=behaviour == "error_if_incomplete",
    )


def _read_anchor(params: Params) -> str | None:
    """`billing_cycle_anchor[type]`; older versions of the API take the bare word."""
    if isinstance(params.values.get("billing_cycle_anchor"), str):
        return params.choice("billing_cycle_anchor", ("now", "unchanged"))
    anchor = params.group("billing_cycle_anchor")
    anchor.refuse_unknown(frozenset({"type"}))
    return anchor.choice("type", ("now", "unchanged"))


def plan_switch(world: World, subscription: JSON, items: list[JSON], terms: Terms) -> Switch:
    """What changes when a subscription has `items` from now on; nothing is kept yet."""
    _, interval, count = terms_of(world.fetch("price", items[0]["price"]))
    sim: JSON = {**subscription["_sim"], "interval": interval, "interval_count": count}
    changes: JSON = {"items": {**subscription["items"], "data": items}, "_sim": sim}
    if subscription["status"] in ("trialing", "paused"):
        return Switch(changes, [], [], invoiced=False)
    before = {item["id"]: item for item in subscription["items"]["data"]}
    moved = (interval, count) != (
        subscription["_sim"]["interval"],
        subscription["_sim"]["interval_count"],
    )
    if moved or terms.restart:
        prorations = _credits(world, subscription, list(before.values()), terms)
        fresh = restarted(world, subscription, items, sim)
        return Switch(changes | fresh, prorations, fresh["items"]["data"], invoiced=True)
    kept = [item["id"] for item in items if _same(item, before.get(item["id"]))]
    gone = [item for item in before.values() if item["id"] not in kept]
    prorations = _credits(world, subscription, gone, terms)
    if terms.proration != "none":
        debits = {key: value for key, value in sim.get("debits", {}).items() if key in kept}
        for item in items:
            if item["id"] not in kept:
                made, debit = debit_for(world, subscription, item, terms.at)
                prorations.append(made)
                debits[item["id"]] = [debit]
        sim["debits"] = debits
    prorations = [made for made in prorations if made["amount"]]
    invoiced = terms.proration == "always_invoice" and bool(prorations)
    return Switch(changes, prorations, [], invoiced)


def _same(item: JSON, before: JSON | None) -> bool:
    return before is not None and all(item[key] == before[key] for key in ("price", "quantity"))


def _credits(world: World, subscription: JSON, items: list[JSON], terms: Terms) -> list[JSON]:
    if terms.proration == "none":
        return []
    return [made for item in items for made in credits_for(world, subscription, item, terms.at)]


def restarted(world: World, subscription: JSON, items: list[JSON], sim: JSON) -> JSON:
    """The changes that begin a new billing cycle now, for these items."""
    end = after(world.now, sim["interval"], sim["interval_count"])
    period = {"current_period_end": end, "current_period_start": world.now}
    data = [{**item, **period} for item in items]
    changes: JSON = {
        "billing_cycle_anchor": world.now,
        "items": {**subscription["items"], "data": data},
    }
    if subscription["cancel_at_period_end"]:
        changes["cancel_at"] = end
    return changes


def begin_switch(world: World, subscription: JSON, switch: Switch, also: JSON) -> JSON | None:
    """Do what `plan_switch` says, together with other changes.

    Returns:
        The draft of the invoice that bills it at once; None where the next one does.
    """
    for item in switch.prorations:
        world.create(item, "invoiceitem.created")
    changes = {**also, **switch.changes}
    invoice = None
    if switch.invoiced:
        changed = {**subscription, **changes}
        invoice = draft_invoice(
            world,
            changed,
            reason="subscription_update",
            period=(world.now, world.now),
            items=switch.billed,
        )
        changes |= keep_draft(world, changed, invoice)
    moved = period_of({**subscription, **changes}) != period_of(subscription)
    world.update(subscription, changes, "customer.subscription.updated")
    if moved:
        _reschedule(world, subscription)
    return invoice


def apply_switch(
    world: World, subscription: JSON, switch: Switch, also: JSON, *, refuse_unpaid: bool = False
) -> None:
    """Do what `plan_switch` says, together with other changes, and collect what is due at once.

    Raises:
        StripeError: 402, `refuse_unpaid` and the payment failed; roll back what was done.
    """
    invoice = begin_switch(world, subscription, switch, also)
    if invoice is not None and subscription["pause_collection"]:
        world.update(invoice, {"auto_advance": False})
        hold_back(world, invoice, subscription["pause_collection"])
    elif invoice is not None:
        finalise(world, invoice)
        refusal = attempt(world, invoice)
        if refusal is not None and refuse_unpaid:
            raise refusal.error()


def _reschedule(world: World, subscription: JSON) -> None:
    """The present period has another end than before."""
    schedule_cycle(world, subscription)
    world.store.unschedule(subscription["id"], "subscription.trial_notice")
    if subscription["status"] == "trialing":
        notice = subscription["trial_end"] - world.rules.trial_notice
        world.schedule(notice, "subscription.trial_notice", subscription["id"])
    if subscription["cancel_at_period_end"]:
        world.store.unschedule(subscription["id"], "subscription.cancel")
        world.schedule(subscription["cancel_at"], "subscription.cancel", subscription["id"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    subscription = living_subscription(world, call.ids["subscription"])
    also = _plain_changes(world, params, subscription)
    also |= requested_cancellation(world, params, subscription)
    also |= requested_pause(world, params, subscription)
    details = read_details(params.group("cancellation_details"))
    if details:
        before: JSON = {**subscription, **also}["cancellation_details"]
        also["cancellation_details"] = {**before, **details}
    terms = read_terms(world, params, subscription)
    switch = read_switch(world, params, {**subscription, **also}, terms)
    if switch is None:
        world.update(subscription, also, "customer.subscription.updated")
        return subscription
    apply_switch(world, subscription, switch, also, refuse_unpaid=terms.refuse_unpaid)
    return world.fetch("subscription", subscription["id"])


def read_switch(world: World, params: Params, subscription: JSON, terms: Terms) -> Switch | None:
    """What `items`, `billing_cycle_anchor` and `trial_end` ask for; None where nothing does.

    Raises:
        StripeError: 400, the subscription can't be switched, or not like that.
    """
    items = changed_items(world, params, subscription)
    if items is None and not terms.restart and not params.sent("trial_end"):
        return None
    if subscription["status"] == "incomplete":
        raise StripeError(
            400, "A subscription whose first payment is still missing can't be switched."
        )
    chosen = subscription["items"]["data"] if items is None else items
    if params.sent("trial_end"):
        return _plan_trial(world, params, subscription, chosen, terms)
    return plan_switch(world, subscription, chosen, terms)


def _plain_changes(world: World, params: Params, subscription: JSON) -> JSON:
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(subscription["metadata"])
    if params.sent("description"):
        changes["description"] = params.text("description")
    if params.sent("default_payment_method"):
        changes["default_payment_method"] = own_method(world, params, subscription["customer"])
    if params.sent("trial_settings"):
        behaviour = {"missing_payment_method": read_trial_settings(params)}
        changes["trial_settings"] = {"end_behavior": behaviour}
    if params.sent("payment_settings"):
        changes["payment_settings"] = read_payment_settings(
            params, subscription["payment_settings"]
        )
    if params.sent("discounts"):
        changes["discounts"] = changed_discounts(world, params, subscription)
    return changes


def changed_discounts(world: World, params: Params, subscription: JSON) -> list[str]:
    """The subscription's discounts after what `discounts` asks for, redeemed and announced."""
    held = subscription["discounts"]
    amount = sum(
        world.fetch("price", item["price"])["unit_amount"] * item["quantity"]
        for item in subscription["items"]["data"]
    )
    purchase = Purchase(subscription["customer"], subscription["currency"], amount)
    wanted = read_discounts(world, params, purchase, held)
    kept = {entry for entry in wanted if isinstance(entry, str)}
    without_discounts(world, subscription, set(held) - kept)
    return redeem(world, wanted, customer=subscription["customer"], subscription=subscription["id"])


def _plan_trial(
    world: World, params: Params, subscription: JSON, items: list[JSON], terms: Terms
) -> Switch:
    """A trial's end: now, or at another time than agreed before."""
    if subscription["status"] != "trialing":
        raise not_simulated("trial_end", "trials that begin after the subscription")
    if params.text("trial_end") == "now":
        return end_trial(world, subscription, items, terms)
    switch = plan_switch(world, subscription, items, terms)
    end = params.integer("trial_end")
    if end is None or end <= world.now:
        raise invalid_parameter("trial_end", "trial_end must be `now` or lie in the future.")
    data = [{**item, "current_period_end": end} for item in items]
    moved = {
        "billing_cycle_anchor": end,
        "items": {**subscription["items"], "data": data},
        "trial_end": end,
    }
    return Switch({**switch.changes, **moved}, [], [], invoiced=False)


def end_trial(world: World, subscription: JSON, items: list[JSON], terms: Terms) -> Switch:
    """A trial ends now: the first period that is paid for begins."""
    switch = plan_switch(world, subscription, items, terms)
    fresh = restarted(world, subscription, items, switch.changes["_sim"])
    changes = {**switch.changes, **fresh, "status": "active", "trial_end": world.now}
    return Switch(changes, [], fresh["items"]["data"], invoiced=True)


OPERATIONS = (operation("POST", "/v1/subscriptions/{subscription}", _update, _FIELDS),)
