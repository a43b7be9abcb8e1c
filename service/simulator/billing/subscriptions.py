"""Subscriptions: their document, status, cancellation and end. Their cycle is cycle.py's work."""

from service.simulator.billing.invoices import stop_collection
from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.protocol.forms import Params
from service.simulator.protocol.views import list_object
from service.simulator.store import JSON, Condition
from service.simulator.world import World

ENDED = ("canceled", "incomplete_expired")
_STATUSES = (
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
NO_SETTINGS: JSON = {
    "payment_method_options": None,
    "payment_method_types": None,
    "save_default_payment_method": "off",
}
FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)


def period_of(subscription: JSON) -> tuple[int, int]:
    """Start and end of the present period; all items share it."""
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def moved_items(subscription: JSON, period: tuple[int, int]) -> JSON:
    """The items with another period."""
    items = subscription["items"]
    data = [
        {**item, "current_period_start": period[0], "current_period_end": period[1]}
        for item in items["data"]
    ]
    return {**items, "data": data}


def new_items(world: World, subscription: str, wanted: list[tuple[str, int]]) -> JSON:
    """Items for (price, quantity) pairs; the start of the cycle sets their period."""
    data: list[JSON] = [
        {
            "id": world.new_id("si", 14),
            "object": "subscription_item",
            "billing_thresholds": None,
            "created": world.now,
            "current_period_end": world.now,
            "current_period_start": world.now,
            "current_trial": None,
            "discounts": [],
            "metadata": {},
            "price": price,
            "quantity": quantity,
            "subscription": subscription,
            "tax_rates": [],
        }
        for price, quantity in wanted
    ]
    return list_object(f"/v1/subscription_items?subscription={subscription}", data)


def set_cancellation(
    world: World, subscription: JSON, *, cancel_at: int | None, at_period_end: bool
) -> JSON:
    """The changes that schedule an end (or take it back, with None), and the agenda entry."""
    world.store.unschedule(subscription["id"], "subscription.cancel")
    if cancel_at is None:
        return {
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "cancellation_details": {**subscription["cancellation_details"], "reason": None},
        }
    world.schedule(cancel_at, "subscription.cancel", subscription["id"])
    details = {**subscription["cancellation_details"], "reason": "cancellation_requested"}
    return {
        "cancel_at": cancel_at,
        "cancel_at_period_end": at_period_end,
        "canceled_at": world.now,
        "cancellation_details": details,
    }


def end_subscription(
    world: World, subscription: JSON, reason: str = "cancellation_requested"
) -> None:
    """End a subscription now, for good; its open invoices are no longer collected."""
    if subscription["status"] in ENDED:
        return
    world.store.unschedule(subscription["id"])
    world.update(
        subscription,
        {
            "canceled_at": subscription["canceled_at"] or world.now,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
            "ended_at": world.now,
            "status": "canceled",
        },
    )
    world.emit("customer.subscription.deleted", subscription)
    stop_collection(world, subscription)


def schedule_cycle(world: World, subscription: JSON) -> None:
    """Put the end of the present period, and the notice before it, on the agenda."""
    for action in ("subscription.cycle", "subscription.upcoming"):
        world.store.unschedule(subscription["id"], action)
    start, end = period_of(subscription)
    world.schedule(end, "subscription.cycle", subscription["id"])
    if end - world.rules.upcoming_notice > start:
        world.schedule(
            end - world.rules.upcoming_notice, "subscription.upcoming", subscription["id"]
        )


def pause_subscription(world: World, subscription: JSON, kind: str) -> None:
    """Stop a subscription until it is resumed: no periods, no invoices. `kind` says why."""
    for action in ("subscription.cycle", "subscription.upcoming", "subscription.trial_notice"):
        world.store.unschedule(subscription["id"], action)
    paused = {"subscription": {"type": kind}, "transitioned_at": world.now, "type": "subscription"}
    changes = {"status": "paused", "status_details": {"paused": paused}}
    world.update(subscription, changes, "customer.subscription.updated")
    world.emit("customer.subscription.paused", subscription)


def resume_subscription(world: World, subscription: JSON, status: str = "active") -> None:
    """End a pause: the subscription's period runs, be it overdue."""
    changes = {"status": status, "status_details": None}
    world.update(subscription, changes, "customer.subscription.updated")
    world.emit("customer.subscription.resumed", subscription)
    schedule_cycle(world, subscription)


def handle_cancellation(world: World, identifier: str) -> None:
    """The agenda's `subscription.cancel`: a scheduled end is reached."""
    end_subscription(world, world.fetch("subscription", identifier))


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("subscription", call.ids["subscription"])


def _list(call: Call) -> JSON:
    params = call.params
    conditions = created_range(params)
    conditions += equalities(params, ["collection_method", "customer"])
    if params.sent("test_clock") or not params.sent("customer"):
        conditions.append(Condition("test_clock", "=", params.text("test_clock")))
    if params.sent("price"):
        conditions.append(Condition("items.data[0].price", "=", params.text("price")))
    status = params.choice("status", _STATUSES)
    if status is None:
        conditions.append(Condition("status", "!=", "canceled"))
    elif status == "ended":
        conditions.append(Condition("status", "in", ENDED))
    elif status != "all":
        conditions.append(Condition("status", "=", status))
    return page(call, "subscription", conditions)


def refuse_other_currency(world: World, customer: str, currency: str) -> None:
    """Refuse a subscription in another currency than the customer's living ones are in.

    See https://docs.stripe.com/invoicing/multi-currency-customers: one-off invoices may be in any.

    Raises:
        StripeError: 400, naming the subscription.
    """
    for other in world.store.find("subscription", [Condition("customer", "=", customer)]):
        if other["status"] not in ENDED and other["currency"] != currency:
            raise invalid_parameter(
                "currency",
                "You cannot combine currencies on a single customer. This customer has the "
                f"subscription {other['id']} with currency {other['currency']}.",
            )


def living_subscription(world: World, identifier: str, param: str = "id") -> JSON:
    """The subscription.

    Raises:
        StripeError: resource_missing, also when it has ended.
    """
    subscription = world.fetch("subscription", identifier, param=param)
    if subscription["status"] in ENDED:
        raise StripeError(
            404 if param == "id" else 400,
            f"No such subscription: '{subscription['id']}' (it has ended)",
            code="resource_missing",
            param=param,
        )
    return subscription


def own_method(world: World, params: Params, customer: str) -> str | None:
    """The payment method of this customer that `default_payment_method` names.

    Raises:
        StripeError: resource_missing, there is none or it isn't this customer's.
    """
    identifier = params.text("default_payment_method")
    if identifier is None:
        return None
    method = world.fetch("payment_method", identifier, param="default_payment_method")
    if method["customer"] != customer:
        raise invalid_parameter(
            "default_payment_method",
            f"The customer does not have a payment method with the ID {identifier}. Attach it "
            "first.",
            "resource_missing",
        )
    return identifier


def read_payment_settings(params: Params, before: JSON) -> JSON:
    """`payment_settings` over those from `before`: what may be paid with, and whether it is kept."""
    settings = params.group("payment_settings")
    settings.refuse_unknown(frozenset({"payment_method_types", "save_default_payment_method"}))
    changes: JSON = {}
    if settings.sent("payment_method_types"):
        types = settings.choices("payment_method_types", ("card", "sepa_debit"))
        changes["payment_method_types"] = types or None
    if settings.sent("save_default_payment_method"):
        changes["save_default_payment_method"] = settings.choice(
            "save_default_payment_method", ("off", "on_subscription")
        )
    return {**before, **changes}


def requested_cancellation(world: World, params: Params, subscription: JSON) -> JSON:
    """The changes that `cancel_at` or `cancel_at_period_end` asks for, both ways and back."""
    at_period_end = params.boolean("cancel_at_period_end")
    if at_period_end and params.text("cancel_at"):
        raise invalid_parameter(
            "cancel_at", "Send either cancel_at or cancel_at_period_end, not both."
        )
    if at_period_end:
        end = period_of(subscription)[1]
        return set_cancellation(world, subscription, cancel_at=end, at_period_end=True)
    if params.text("cancel_at"):
        cancel_at = (
            period_of(subscription)[1]
            if params.text("cancel_at") in ("min_period_end", "max_period_end")
            else params.integer("cancel_at")
        )
        if cancel_at is not None and cancel_at <= world.now:
            raise invalid_parameter("cancel_at", "cancel_at must be in the future.")
        return set_cancellation(world, subscription, cancel_at=cancel_at, at_period_end=False)
    if params.sent("cancel_at") or (
        at_period_end is False and subscription["cancel_at_period_end"]
    ):
        return set_cancellation(world, subscription, cancel_at=None, at_period_end=False)
    return {}


def read_details(params: Params) -> JSON:
    """The changes of `cancellation_details`: why somebody leaves."""
    params.refuse_unknown(frozenset({"comment", "feedback"}))
    changes: JSON = {}
    if params.sent("comment"):
        changes["comment"] = params.text("comment")
    if params.sent("feedback"):
        changes["feedback"] = params.choice("feedback", FEEDBACK)
    return changes


OPERATIONS = (
    operation("GET", "/v1/subscriptions/{subscription}", _retrieve),
    listing(
        "/v1/subscriptions", _list, "collection_method created customer price status test_clock"
    ),
)
