"""Coupons: how much is taken off, for how long, and how often they may be redeemed."""

from decimal import Decimal, InvalidOperation

from service.simulator.operations import Call, created_range, listing, operation, page
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

DURATIONS = ("forever", "once", "repeating")
_HUNDRED = Decimal(100)


def living_coupon(world: World, identifier: str, param: str) -> JSON:
    """The coupon.

    Raises:
        StripeError: resource_missing, also when it was deleted: discounts live on without it.
    """
    coupon = world.fetch("coupon", identifier, param=param)
    if coupon["_sim"]["deleted"]:
        raise missing_resource("coupon", identifier, param)
    return coupon


def redeem_coupon(world: World, coupon: JSON) -> None:
    """Count one redemption; the last one makes the coupon invalid."""
    times = coupon["times_redeemed"] + 1
    world.update(coupon, {"times_redeemed": times})
    if coupon["max_redemptions"] is not None and times >= coupon["max_redemptions"]:
        _invalidate(world, coupon)


def handle_redeem_by(world: World, identifier: str) -> None:
    """The agenda's `coupon.expire`: nobody can redeem the coupon any more."""
    _invalidate(world, world.fetch("coupon", identifier))


def _invalidate(world: World, coupon: JSON) -> None:
    """A promotion code is never active without a valid coupon."""
    world.update(coupon, {"valid": False})
    for code in world.store.find(
        "promotion_code",
        [Condition("promotion.coupon", "=", coupon["id"]), Condition("active", "=", True)],
    ):
        world.update(code, {"active": False}, "promotion_code.updated")


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    identifier = params.text("id") or world.new_id("", 8)[1:]
    if world.store.get(identifier) is not None:
        raise StripeError(400, "Coupon already exists.", code="resource_already_exists", param="id")
    percent, amount = _percent(params), _positive(params, "amount_off")
    if (percent is None) == (amount is None):
        raise invalid_parameter("percent_off", "Send exactly one of percent_off or amount_off.")
    duration = params.choice("duration", DURATIONS) or "once"
    products = _products(world, params)
    coupon: JSON = {
        "id": identifier,
        "object": "coupon",
        "amount_off": amount,
        "created": world.now,
        "currency": params.required("currency").lower() if amount is not None else None,
        "duration": duration,
        "duration_in_months": _months(params, duration),
        "livemode": False,
        "max_redemptions": _positive(params, "max_redemptions"),
        "metadata": params.metadata(),
        "name": params.text("name"),
        "percent_off": percent,
        "redeem_by": _future(world, params, "redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        "_sim": {"deleted": False, "products": products},
    }
    if coupon["redeem_by"] is not None:
        world.schedule(coupon["redeem_by"], "coupon.expire", identifier)
    return world.create(coupon, "coupon.created")


def _percent(params: Params) -> float | None:
    text = params.text("percent_off")
    if text is None:
        return None
    try:
        percent = Decimal(text)
    except InvalidOperation:
        percent = Decimal(0)
    if not 0 < percent <= _HUNDRED:
        raise invalid_parameter(
            "percent_off", "percent_off must be a number greater than 0 and at most 100."
        )
    return float(percent)


def _positive(params: Params, key: str) -> int | None:
    value = params.integer(key)
    if value is not None and value < 1:
        raise invalid_parameter(key, f"{key} must be at least 1.", "parameter_invalid_integer")
    return value


def _months(params: Params, duration: str) -> int | None:
    months = _positive(params, "duration_in_months")
    if (months is not None) != (duration == "repeating"):
        raise invalid_parameter(
            "duration_in_months",
            "duration_in_months belongs to the duration `repeating`, which needs it.",
        )
    return months


def _future(world: World, params: Params, key: str) -> int | None:
    at = params.integer(key)
    if at is not None and at <= world.now:
        raise invalid_parameter(key, f"{key} must lie in the future.")
    return at


def _products(world: World, params: Params) -> list[str]:
    applies_to = params.group("applies_to")
    applies_to.refuse_unknown(frozenset({"products"}))
    products = applies_to.texts("products")
    for product in products:
        world.fetch("product", product, param="applies_to[products]")
    return products


def _retrieve(call: Call) -> JSON:
    return living_coupon(call.world, call.ids["coupon"], "id")


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    coupon = _retrieve(call)
    changes: JSON = {}
    if params.sent("name"):
        changes["name"] = params.text("name")
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(coupon["metadata"])
    world.update(coupon, changes, "coupon.updated")
    return coupon


def _delete(call: Call) -> JSON:
    """What was redeemed before goes on; nobody can redeem the coupon from now on."""
    world = call.world
    coupon = _retrieve(call)
    world.store.unschedule(coupon["id"], "coupon.expire")
    world.emit("coupon.deleted", coupon)
    world.update(coupon, {"_sim": {**coupon["_sim"], "deleted": True}})
    _invalidate(world, coupon)
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def _list(call: Call) -> JSON:
    conditions = [Condition("_sim.deleted", "=", False), *created_range(call.params)]
    return page(call, "coupon", conditions)


HANDLERS = {"coupon.expire": handle_redeem_by}

OPERATIONS = (
    operation(
        "POST",
        "/v1/coupons",
        _create,
        "amount_off applies_to currency duration duration_in_months id max_redemptions metadata"
        " name percent_off redeem_by",
    ),
    operation("GET", "/v1/coupons/{coupon}", _retrieve),
    operation("POST", "/v1/coupons/{coupon}", _update, "metadata name"),
    operation("DELETE", "/v1/coupons/{coupon}", _delete),
    listing("/v1/coupons", _list, "created"),
)
