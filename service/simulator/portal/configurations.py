"""Configurations of the billing portal: which features it offers, and how they act."""

import copy

from service.simulator.billing.subscriptions import FEEDBACK
from service.simulator.operations import Call, equalities, listing, operation, page
from service.simulator.protocol.errors import StripeError, invalid_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

KIND = "billing_portal.configuration"
_KEY = "portal_configuration"
_MOST_PRODUCTS = 10
_PRORATIONS = ("always_invoice", "create_prorations", "none")
_CUSTOMER_FIELDS = ("address", "email", "name", "phone", "shipping", "tax_id")
_FIELDS = "business_profile default_return_url features login_page metadata name"
_DISABLED: JSON = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"enabled": False},
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "continue_trial",
    },
}


def ensure_configuration(world: World) -> JSON:
    """The default configuration, created with the world: cancel, resume, change the card."""
    identifier = world.store.setting(_KEY)
    if identifier is not None:
        return world.fetch(KIND, identifier)
    configuration = _outline(world)
    configuration["is_default"] = True
    for feature in ("payment_method_update", "subscription_cancel"):
        configuration["features"][feature]["enabled"] = True
    world.store.set_setting(_KEY, configuration["id"])
    return world.create(configuration)


def usable_configuration(world: World, identifier: str | None) -> JSON:
    """The configuration for a new session: the one named, else the default one.

    Raises:
        StripeError: 400, there is none of this id, or it isn't active.
    """
    if identifier is None:
        return ensure_configuration(world)
    configuration = world.fetch(KIND, identifier, param="configuration")
    if not configuration["active"]:
        raise invalid_parameter(
            "configuration", f"The portal configuration {identifier} is not active."
        )
    return configuration


def _outline(world: World) -> JSON:
    return {
        "id": world.new_id("bpc", 24),
        "object": KIND,
        "active": True,
        "application": None,
        "business_profile": {
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
        },
        "created": world.now,
        "default_return_url": None,
        "features": copy.deepcopy(_DISABLED),
        "is_default": False,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": world.now,
    }


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    if not params.group("features").values:
        raise StripeError(
            400, "Missing required param: features.", code="parameter_missing", param="features"
        )
    configuration = _outline(world)
    configuration |= _changes(world, params, configuration)
    return world.create(configuration, f"{KIND}.created")


def _changes(world: World, params: Params, before: JSON) -> JSON:
    changes: JSON = {}
    if params.sent("name"):
        changes["name"] = params.text("name")
    if params.sent("default_return_url"):
        changes["default_return_url"] = params.address("default_return_url")
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(before["metadata"])
    profile = params.group("business_profile")
    profile.refuse_unknown(frozenset(before["business_profile"]))
    if profile.values:
        texts = {
            key: profile.text(key) if key == "headline" else profile.address(key) for key in profile
        }
        changes["business_profile"] = {**before["business_profile"], **texts}
    if params.group("login_page").boolean("enabled"):
        raise not_simulated("login_page[enabled]", "login pages of the portal")
    if params.sent("features"):
        changes["features"] = _features(world, params.group("features"), before["features"])
    return changes


def _features(world: World, params: Params, before: JSON) -> JSON:
    """The features after what the request says; what it leaves out stays as it was."""
    params.refuse_unknown(frozenset(_DISABLED) - {"subscription_pause"})
    readers = {
        "customer_update": _customer_update,
        "invoice_history": _switch_alone,
        "payment_method_update": _switch_alone,
        "subscription_cancel": _cancel,
    }
    features = dict(before)
    for name, read in readers.items():
        if params.sent(name):
            features[name] = {**before[name], **read(params.group(name), before[name])}
    if params.sent("subscription_update"):
        known = before["subscription_update"]
        features["subscription_update"] = _update_feature(
            world, params.group("subscription_update"), known
        )
    return features


def _switch_alone(params: Params, before: JSON) -> JSON:
    params.refuse_unknown(frozenset(before))
    enabled = params.boolean("enabled")
    return {} if enabled is None else {"enabled": enabled}


def _customer_update(params: Params, before: JSON) -> JSON:
    changes = _switch_alone(params, before)
    if params.sent("allowed_updates"):
        changes["allowed_updates"] = params.choices("allowed_updates", _CUSTOMER_FIELDS)
    return changes


def _cancel(params: Params, before: JSON) -> JSON:
    changes = _switch_alone(params, before)
    mode = params.choice("mode", ("at_period_end", "immediately"))
    proration = params.choice("proration_behavior", ("create_prorations", "none"))
    changes |= {"mode": mode} if mode else {}
    changes |= {"proration_behavior": proration} if proration else {}
    after = {**before, **changes}
    if after["proration_behavior"] != "none" and after["mode"] != "immediately":
        raise invalid_parameter(
            params.name("proration_behavior"), "Prorations need the mode `immediately`."
        )
    reason = params.group("cancellation_reason")
    reason.refuse_unknown(frozenset({"enabled", "options"}))
    if reason.values:
        changes["cancellation_reason"] = {
            "enabled": bool(reason.boolean("enabled")),
            "options": reason.choices("options", FEEDBACK),
        }
    return changes


def _update_feature(world: World, params: Params, before: JSON) -> JSON:
    after = {**before, **_switch_alone(params, before)}
    if params.group("schedule_at_period_end").rows("conditions"):
        raise not_simulated(
            params.name("schedule_at_period_end"), "switches at the end of the period"
        )
    for key, choices in (
        ("billing_cycle_anchor", ("now", "unchanged")),
        ("proration_behavior", _PRORATIONS),
        ("trial_update_behavior", ("continue_trial", "end_trial")),
    ):
        after[key] = params.choice(key, choices) or after[key]
    if params.sent("default_allowed_updates"):
        after["default_allowed_updates"] = params.choices(
            "default_allowed_updates", ("price", "promotion_code", "quantity")
        )
    if params.sent("products"):
        after["products"] = _products(world, params)
    if after["enabled"] and not (after["default_allowed_updates"] and after["products"]):
        raise invalid_parameter(
            params.name("products"),
            "subscription_update needs products and default_allowed_updates to be enabled.",
        )
    return after


def _products(world: World, params: Params) -> list[JSON]:
    rows = params.rows("products")
    if len(rows) > _MOST_PRODUCTS:
        raise invalid_parameter(params.name("products"), "The portal takes at most 10 products.")
    return [_product(world, row) for row in rows]


def _product(world: World, row: Params) -> JSON:
    row.refuse_unknown(frozenset({"adjustable_quantity", "prices", "product"}))
    product = world.fetch("product", row.required("product"), param=row.name("product"))
    prices = [
        world.fetch("price", price, param=row.name("prices")) for price in row.texts("prices")
    ]
    rhythms = set()
    for price in prices:
        recurring = price["recurring"]
        if price["product"] != product["id"] or recurring is None or not price["active"]:
            raise invalid_parameter(
                row.name("prices"),
                f"The price {price['id']} must be an active, recurring one of this product.",
            )
        rhythms.add((price["currency"], recurring["interval"], recurring["interval_count"]))
    if len(rhythms) < len(prices):
        raise invalid_parameter(
            row.name("prices"), "The prices of a product must have unique billing intervals."
        )
    return {
        "adjustable_quantity": _quantity(row.group("adjustable_quantity")),
        "prices": [price["id"] for price in prices],
        "product": product["id"],
    }


def _quantity(params: Params) -> JSON:
    """Between which numbers a quantity may be changed."""
    params.refuse_unknown(frozenset({"enabled", "maximum", "minimum"}))
    lowest, highest = params.integer("minimum"), params.integer("maximum")
    if highest is not None and highest < (lowest or 0):
        raise invalid_parameter(
            params.name("maximum"), "The maximum must be at least as large as the minimum."
        )
    return {
        "enabled": bool(params.boolean("enabled")),
        "maximum": highest,
        "minimum": 1 if lowest is None else lowest,
    }


def _retrieve(call: Call) -> JSON:
    return call.world.fetch(KIND, call.ids["configuration"])


def _update(call: Call) -> JSON:
    world, params = call.world, call.params
    configuration = _retrieve(call)
    changes = _changes(world, params, configuration)
    active = params.boolean("active")
    if active is False and configuration["is_default"]:
        raise invalid_parameter("active", "The default configuration can't be deactivated.")
    if active is not None:
        changes["active"] = active
    world.update(configuration, changes | {"updated": world.now}, f"{KIND}.updated")
    return configuration


def _list(call: Call) -> JSON:
    return page(call, KIND, equalities(call.params, ["active", "is_default"]))


OPERATIONS = (
    operation("POST", "/v1/billing_portal/configurations", _create, _FIELDS),
    operation("GET", "/v1/billing_portal/configurations/{configuration}", _retrieve),
    operation(
        "POST",
        "/v1/billing_portal/configurations/{configuration}",
        _update,
        f"active {_FIELDS}",
    ),
    listing("/v1/billing_portal/configurations", _list, "active is_default"),
)
