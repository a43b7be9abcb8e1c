"""Test clocks: customers whose time the API moves, apart from the world's.

What happens to such a customer's subscriptions and invoices follows the clock; events, payment
intents and charges carry the world's time, as at Stripe (https://docs.stripe.com/billing/testing/test-clocks).
"""

from datetime import UTC, datetime

from service.simulator.billing.customer_deletion import delete_customer
from service.simulator.operations import Call, listing, operation, page
from service.simulator.periods import DAY, after
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.store import JSON, Condition
from service.simulator.world import World

KIND = "test_helpers.test_clock"
_LIFETIME = 30 * DAY
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_PARAMS = ("customer", "subscription", "invoice", "payment_intent", "charge")


def ruling_clock(call: Call) -> str | None:
    """The test clock that a request's subject follows, None where the world's time counts."""
    store = call.world.store
    named = call.params.values.get("test_clock")
    if isinstance(named, str) and named:
        return named
    candidates = [*call.ids.values(), *(call.params.values.get(name) for name in _PARAMS)]
    for identifier in candidates:
        document = store.get(identifier) if isinstance(identifier, str) else None
        clock = call.world.clock_of(document) if document is not None else None
        if clock is not None:
            return clock
    return None


def _create(call: Call) -> JSON:
    world = call.world
    frozen_time = call.params.integer("frozen_time")
    if frozen_time is None:
        raise missing_parameter("frozen_time")
    if not 0 <= frozen_time <= _LATEST:
        raise invalid_parameter("frozen_time", "A test clock begins between 1970 and 2099.")
    clock: JSON = {
        "id": world.new_id("clock", 24),
        "object": KIND,
        "created": world.now,
        "deletes_after": world.now + _LIFETIME,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": call.params.text("name"),
        "status": "ready",
        "status_details": {},
    }
    world.schedule(clock["deletes_after"], "test_clock.delete", clock["id"])
    return world.create(clock, f"{KIND}.created")


def _living(call: Call) -> JSON:
    clock = call.world.fetch(KIND, call.ids["test_clock"])
    if clock.get("deleted"):
        raise StripeError(
            404, f"No such test clock: '{clock['id']}'", code="resource_missing", param="id"
        )
    return clock


def _advance(call: Call) -> JSON:
    """Begin to move a clock; it is `ready` again once what was due has happened."""
    world, clock = call.world, _living(call)
    target = call.params.integer("frozen_time")
    if target is None:
        raise missing_parameter("frozen_time")
    if target <= clock["frozen_time"]:
        raise invalid_parameter(
            "frozen_time", "A test clock only moves forwards: send a later time than it shows."
        )
    if target > (limit := _limit(world, clock)):
        raise invalid_parameter(
            "frozen_time",
            "A test clock moves at most two intervals of its shortest subscription at once, or two "
            f"years without one: for this one to {datetime.fromtimestamp(limit, UTC).isoformat()}.",
        )
    details = {"advancing": {"target_frozen_time": target}}
    world.update(clock, {"status": "advancing", "status_details": details})
    world.emit(f"{KIND}.advancing", clock)
    world.schedule(world.now, "test_clock.advance", clock["id"])
    return clock


def _limit(world: World, clock: JSON) -> int:
    start = clock["frozen_time"]
    running = world.store.find(
        "subscription",
        [Condition("test_clock", "=", clock["id"]), Condition("ended_at", "=", None)],
    )
    terms = [subscription["_sim"] for subscription in running]
    ends = [after(start, term["interval"], 2 * term["interval_count"]) for term in terms]
    return min(ends, default=after(start, "year", 2))


def handle_advance(world: World, identifier: str) -> None:
    """The agenda's `test_clock.advance`: do what is due up to the clock's new time."""
    clock = world.fetch(KIND, identifier)
    if clock.get("deleted") or clock["status"] != "advancing":
        return
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    world.run_clock(identifier, target)
    changes = {"frozen_time": target, "status": "ready", "status_details": {}}
    world.update(clock, changes)
    world.emit(f"{KIND}.ready", clock)


def handle_deletion(world: World, identifier: str) -> None:
    """The agenda's `test_clock.delete`: a clock lives for thirty days."""
    clock = world.fetch(KIND, identifier)
    if not clock.get("deleted"):
        _forget(world, clock)


def _forget(world: World, clock: JSON) -> JSON:
    """Delete a clock, its customers, and what they have running."""
    with world.under_clock(clock["id"]):
        for customer in world.store.find("customer", [Condition("test_clock", "=", clock["id"])]):
            delete_customer(world, customer)
    world.store.unschedule(clock["id"])
    world.store.connection.execute("DELETE FROM agenda WHERE clock = ?", (clock["id"],))
    world.emit(f"{KIND}.deleted", clock)
    gone = {"id": clock["id"], "object": KIND, "deleted": True}
    world.store.put(gone)
    return gone


def _delete(call: Call) -> JSON:
    return _forget(call.world, _living(call))


def _list(call: Call) -> JSON:
    return page(call, KIND, [Condition("deleted", "!=", True)])


HANDLERS = {"test_clock.advance": handle_advance, "test_clock.delete": handle_deletion}

OPERATIONS = (
    operation("POST", "/v1/test_helpers/test_clocks", _create, "frozen_time name"),
    operation("GET", "/v1/test_helpers/test_clocks/{test_clock}", _living),
    operation("DELETE", "/v1/test_helpers/test_clocks/{test_clock}", _delete),
    operation("POST", "/v1/test_helpers/test_clocks/{test_clock}/advance", _advance, "frozen_time"),
    listing("/v1/test_helpers/test_clocks", _list),
)
