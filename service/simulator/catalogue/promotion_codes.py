"""Promotion codes: what buyers type to redeem a coupon."""

import re
import secrets

from service.simulator.catalogue.coupons import living_coupon
from service.simulator.operations import Call, created_range, equalities, listing, operation, page
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_CODE = re.compile(r"[A-Za-z0-9-]{1,500}")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that people confuse
_GENERATED = 8


def active_code(world: World, code: str) -> JSON | None:
    """The active promotion code that a buyer means; upper and lower case are the same."""
    found = world.store.find(
        "promotion_code",
        [Condition("_sim.folded", "=", code.strip().casefold()), Condition("active", "=", True)],
        limit=1,
    )
    return found[0] if found else None


def redeem_code(world: World, promotion_code: JSON) -> None:
    """Count one redemption; the last one makes the code inactive."""
    times = promotion_code["times_redeemed"] + 1
    limit = promotion_code["max_redemptions"]
    used_up = limit is not None and times >= limit
    changes = {"times_redeemed": times, "active": promotion_code["active"] and not used_up}
    world.update(promotion_code, changes, "promotion_code.updated")


def handle_expiry(world: World, identifier: str) -> None:
    """The agenda's `promotion_code.expire`."""
    found = world.fetch("promotion_code", identifier)
    world.update(found, {"active": False}, "promotion_code.updated")


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    promotion = params.group("promotion")
    promotion.refuse_unknown(frozenset({"coupon", "type"}))
    promotion.required("type")
    promotion.choice("type", ("coupon",))
    coupon = living_coupon(world, promotion.required("coupon"), promotion.name("coupon"))
    if not coupon["valid"]:
        raise invalid_parameter(promotion.name("coupon"), "This coupon can't be redeemed any more.")
    code = _code(world, params)
    customer = params.text("customer")
    if customer is not None and world.fetch("customer", customer, param="customer").get("deleted"):
        raise missing_resource("customer", customer, "customer")
    active = params.boolean("active")
    promotion_code: JSON = {
        "id": world.new_id("promo", 24),
        "object": "promotion_code",
        "active": True if active is None else active,
        "code": code,
        "created": world.now,
        "customer": customer,
        "expires_at": _expires_at(world, params, coupon),
        "livemode": False,
        "max_redemptions": _max_redemptions(params, coupon),
        "metadata": params.metadata(),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": _restrictions(params),
        "times_redeemed": 0,
        "_sim": {"folded": code.casefold()},
    }
    if promotion_code["expires_at"] is not None:
        at = promotion_code["expires_at"]
        world.schedule(at, "promotion_code.expire", promotion_code["id"])
    return world.create(promotion_code, "promotion_code.created")


def _code(world: World, params: Params) -> str:
    code = params.text("code") or "".join(secrets.choice(_LETTERS) for _ in range(_GENERATED))
    if not _CODE.fullmatch(code):
        raise invalid_parameter(
            "code", "A promotion code consists of letters A to Z, digits and dashes."
        )
    _refuse_taken(world, code, "code")
    return code


def _refuse_taken(world: World, code: str, param: str) -> None:
    if active_code(world, code) is not None:
        raise invalid_parameter(
            param,
            f"An active promotion code with `code: {code}` already exists.",
            "resource_already_exists",
        )


def _expires_at(world: World, params: Params, coupon: JSON) -> int | None:
    at = params.integer("expires_at")
    if at is None:
        return None
    if at <= world.now or (coupon["redeem_by"] is not None and at > coupon["redeem_by"]):
        raise invalid_parameter(
            "expires_at",
            "expires_at must lie in the future and not after the coupon's redeem_by.",
        )
    return at


def _max_redemptions(params: Params, coupon: JSON) -> int | None:
    limit = params.integer("max_redemptions")
    if limit is None:
        return None
    if limit < 1 or (coupon["max_redemptions"] is not None and limit > coupon["max_redemptions"]):
        raise invalid_parameter(
            "max_redemptions",
            "max_redemptions must be at least 1 and at most the coupon's max_redemptions.",
        )
    return limit


def _restrictions(params: Params) -> JSON:
    restrictions = params.group("restrictions")
    restrictions.refuse_unknown(
        frozenset({"first_time_transaction", "minimum_amount", "minimum_amount_currency"})
    )
    minimum = restrictions.integer("minimum_amount")
    currency = restrictions.text("minimum_amount_currency")
    if (minimum is None) != (currency is None):
        raise invalid_parameter(
            restrictions.name("minimum_amount"),
            "Send minimum_amount and minimum_amount_currency together.",
        )
    return {
        "first_time_transaction": restrictions.boolean("first_time_transaction") or False,
        "minimum_amount": minimum,
        "minimum_amount_currency": currency.lower() if currency else None,
    }


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("promotion_code", call.ids["promotion_code"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    found = _retrieve(call)
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(found["metadata"])
    active = params.boolean("active")
    if active is not None:
        if active and not found["active"]:
            _check_revival(world, found)
        changes["active"] = active
    world.update(found, changes, "promotion_code.updated")
    return found


def _check_revival(world: World, found: JSON) -> None:
    coupon = world.fetch("coupon", found["promotion"]["coupon"])
    over = found["expires_at"] is not None and found["expires_at"] <= world.now
    limit = found["max_redemptions"]
    used_up = limit is not None and found["times_redeemed"] >= limit
    if over or used_up or not coupon["valid"]:
        raise StripeError(
            400,
            "This promotion code can't be active: it, or its coupon, has expired or is used up.",
            param="active",
        )
    _refuse_taken(world, found["code"], "active")


def _list(call: Call) -> JSON:
    params = call.params
    conditions = created_range(params) + equalities(
        params, {"active": "active", "coupon": "promotion.coupon", "customer": "customer"}
    )
    code = params.text("code")
    if code is not None:
        conditions.append(Condition("_sim.folded", "=", code.casefold()))
    return page(call, "promotion_code", conditions)


HANDLERS = {"promotion_code.expire": handle_expiry}

OPERATIONS = (
    operation(
        "POST",
        "/v1/promotion_codes",
        _create,
        "active code customer expires_at max_redemptions metadata promotion restrictions",
    ),
    operation("GET", "/v1/promotion_codes/{promotion_code}", _retrieve),
    operation("POST", "/v1/promotion_codes/{promotion_code}", _update, "active metadata"),
    listing("/v1/promotion_codes", _list, "active code coupon created customer"),
)
