"""The operations on single subscription items; each of them changes the subscription."""

from service.simulator.billing.changes import apply_switch, plan_switch, read_terms
from service.simulator.billing.subscription_items import added_item, changed_item, check_together
from service.simulator.billing.subscriptions import living_subscription
from service.simulator.operations import Call, listing, operation, page_of_rows
from service.simulator.protocol.errors import missing_resource
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_TERMS = "payment_behavior proration_behavior proration_date"


def _holder(world: World, identifier: str) -> JSON:
    """The subscription that an item belongs to."""
    for subscription in world.store.find("subscription", [Condition("status", "!=", "canceled")]):
        if any(item["id"] == identifier for item in subscription["items"]["data"]):
            return subscription
    raise missing_resource("subscription item", identifier, "id")


def _found(subscription: JSON, identifier: str) -> JSON:
    item: JSON = next(item for item in subscription["items"]["data"] if item["id"] == identifier)
    return item


def _retrieve(call: Call) -> JSON:
    return _found(_holder(call.world, call.ids["item"]), call.ids["item"])


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    subscription = living_subscription(world, params.required("subscription"), "subscription")
    added = added_item(world, params, subscription)
    _switch(call, subscription, [*subscription["items"]["data"], added])
    return _found(world.fetch("subscription", subscription["id"]), added["id"])


def _update(call: Call) -> JSON:
    world, identifier = call.world, call.ids["item"]
    subscription = _holder(world, identifier)
    changed = changed_item(world, call.params, _found(subscription, identifier))
    items = [
        changed if item["id"] == identifier else item for item in subscription["items"]["data"]
    ]
    _switch(call, subscription, items)
    return _found(world.fetch("subscription", subscription["id"]), identifier)


def _delete(call: Call) -> JSON:
    identifier = call.ids["item"]
    subscription = _holder(call.world, identifier)
    items = [item for item in subscription["items"]["data"] if item["id"] != identifier]
    _switch(call, subscription, items)
    return {"id": identifier, "object": "subscription_item", "deleted": True}


def _switch(call: Call, subscription: JSON, items: list[JSON]) -> None:
    world = call.world
    check_together(world, subscription, items, "price")
    with world.under_clock(world.clock_of(subscription)):
        terms = read_terms(world, call.params, subscription)
        switch = plan_switch(world, subscription, items, terms)
        apply_switch(world, subscription, switch, {}, refuse_unpaid=terms.refuse_unpaid)


def _list(call: Call) -> JSON:
    subscription = call.world.fetch(
        "subscription", call.params.required("subscription"), param="subscription"
    )
    return page_of_rows(call, subscription["items"]["data"])


OPERATIONS = (
    operation(
        "POST",
        "/v1/subscription_items",
        _create,
        f"metadata price quantity subscription {_TERMS}",
    ),
    operation("GET", "/v1/subscription_items/{item}", _retrieve),
    operation(
        "POST",
        "/v1/subscription_items/{item}",
        _update,
        f"metadata off_session price quantity {_TERMS}",
    ),
    operation("DELETE", "/v1/subscription_items/{item}", _delete, _TERMS),
    listing("/v1/subscription_items", _list, "subscription"),
)
