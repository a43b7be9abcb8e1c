"""Deleting a customer: it ends their subscriptions."""

from service.simulator.billing.subscriptions import end_subscription
from service.simulator.operations import Call, operation
from service.simulator.payments.customers import living_customer
from service.simulator.store import JSON, Condition
from service.simulator.world import World


def _delete(call: Call) -> JSON:
    return delete_customer(call.world, living_customer(call.world, call.ids["customer"]))


def delete_customer(world: World, customer: JSON) -> JSON:
    """End a customer's subscriptions and forget all but the id."""
    for subscription in world.store.find(
        "subscription", [Condition("customer", "=", customer["id"])], oldest_first=True
    ):
        end_subscription(world, subscription)
    world.emit("customer.deleted", customer)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    world.store.put(gone)
    return gone


OPERATIONS = (operation("DELETE", "/v1/customers/{customer}", _delete),)
