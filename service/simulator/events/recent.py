"""The events API. Stripe shows the last thirty days (https://docs.stripe.com/api/events)."""

from typing import Any

from service.simulator.operations import Call, created_range, listing, operation, page
from service.simulator.protocol.errors import missing_resource
from service.simulator.store import JSON, Condition
from service.simulator.world import EVENT_RETENTION, World


def with_pending(world: World, event: JSON) -> JSON:
    """The event with the number of endpoints that haven't accepted it yet."""
    (pending,) = world.store.connection.execute(
        "SELECT count(DISTINCT endpoint) FROM deliveries WHERE event = ?", (event["id"],)
    ).fetchone()
    return {**event, "pending_webhooks": pending}


class _Delivered(Condition):
    """Whether all endpoints have accepted an event; its value is a boolean."""

    def sql(self) -> tuple[str, list[Any]]:
        """The condition as SQL: what isn't accepted yet, or given up, stays queued."""
        queued = "IN (SELECT event FROM deliveries)"
        return (f"id NOT {queued}" if self.value else f"id {queued}"), []


def _retrieve(call: Call) -> JSON:
    event = call.world.fetch("event", call.ids["id"])
    if event["created"] < call.world.now - EVENT_RETENTION:
        raise missing_resource("event", event["id"])
    return with_pending(call.world, event)


def _list(call: Call) -> JSON:
    params = call.params
    oldest = call.world.now - EVENT_RETENTION
    conditions = [Condition("created", ">=", oldest), *created_range(params)]
    types = params.texts("types") or ([params.required("type")] if params.text("type") else [])
    if types:
        conditions.append(Condition("type", "in", tuple(types)))
    delivered = params.boolean("delivery_success")
    if delivered is not None:
        conditions.append(_Delivered("id", "=", delivered))
    found = page(call, "event", conditions)
    return {**found, "data": [with_pending(call.world, event) for event in found["data"]]}


OPERATIONS = (
    operation("GET", "/v1/events/{id}", _retrieve),
    listing("/v1/events", _list, "created delivery_success type types"),
)
