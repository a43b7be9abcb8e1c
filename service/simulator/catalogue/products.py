"""Products and prices."""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_LONGEST = {"day": 1095, "week": 156, "month": 36, "year": 3}
_PRODUCT = "active description images marketing_features metadata name shippable statement_descriptor tax_code unit_label url"
_INLINE = frozenset(
    {"currency", "product", "product_data", "recurring", "tax_behavior", "unit_amount"}
)
_INLINE_PRODUCT = frozenset({"description", "images", "metadata", "name", "tax_code", "unit_label"})
_PRICE = "active lookup_key metadata nickname tax_behavior transfer_lookup_key"


def _create_product(call: Call) -> JSON:
    world, params = call.world, call.params
    identifier = params.text("id") or world.new_id("prod", 14)
    if world.store.get(identifier) is not None:
        raise StripeError(
            400, f"Product already exists: {identifier}", code="resource_already_exists", param="id"
        )
    product = _product(world, params, identifier)
    world.create(product, "product.created")
    if params.sent("default_price_data"):
        price = _price(world, params.group("default_price_data"), identifier)
        world.create(price, "price.created")
        world.update(product, {"default_price": price["id"]}, "product.updated")
    return product


def _product(world: World, params: Params, identifier: str) -> JSON:
    active = params.boolean("active")
    return {
        "id": identifier,
        "object": "product",
        "active": True if active is None else active,
        "created": world.now,
        "default_price": None,
        "description": params.text("description"),
        "images": params.texts("images"),
        "livemode": False,
        "marketing_features": [
            {"name": row.required("name")} for row in params.rows("marketing_features")
        ],
        "metadata": params.metadata(),
        "name": params.required("name"),
        "package_dimensions": None,
        "shippable": params.boolean("shippable"),
        "statement_descriptor": params.text("statement_descriptor"),
        "tax_code": params.text("tax_code"),
        "tax_details": None,
        "unit_label": params.text("unit_label"),
        "updated": world.now,
        "url": params.text("url"),
    }


def _retrieve_product(call: Call) -> JSON:
    return _living_product(call.world, call.ids["id"], "id")


def _update_product(call: Call) -> JSON:
    world, params = call.world, call.params
    product = _living_product(world, call.ids["id"], "id")
    changes: JSON = {"updated": world.now}
    for key in ("name", "description", "statement_descriptor", "tax_code", "unit_label", "url"):
        if params.sent(key):
            changes[key] = params.required(key) if key == "name" else params.text(key)
    for key in ("active", "shippable"):
        if params.sent(key):
            changes[key] = params.boolean(key)
    if params.sent("images"):
        changes["images"] = params.texts("images")
    if params.sent("marketing_features"):
        changes["marketing_features"] = [
            {"name": row.required("name")} for row in params.rows("marketing_features")
        ]
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(product["metadata"])
    if params.sent("default_price"):
        changes["default_price"] = params.text("default_price")
        if changes["default_price"]:
            world.fetch("price", changes["default_price"], param="default_price")
    world.update(product, changes, "product.updated")
    return product


def _delete_product(call: Call) -> JSON:
    world = call.world
    product = _living_product(world, call.ids["id"], "id")
    if world.store.find("price", [Condition("product", "=", product["id"])], limit=1):
        raise StripeError(
            400,
            "This product cannot be deleted because it has one or more user-created prices. "
            "Archive it instead by setting active to false.",
        )
    gone = {"id": product["id"], "object": "product", "deleted": True}
    world.emit("product.deleted", product)
    world.store.put(gone)
    return gone


def _living_product(world: World, identifier: str, param: str) -> JSON:
    product = world.fetch("product", identifier, param=param)
    if product.get("deleted"):
        raise StripeError(
            404 if param == "id" else 400,
            f"No such product: '{identifier}' (it was deleted)",
            code="resource_missing",
            param=param,
        )
    return product


def _list_products(call: Call) -> JSON:
    conditions = [Condition("deleted", "!=", True), *created_range(call.params)]
    conditions += equalities(call.params, ["active", "url", "shippable"])
    if call.params.sent("ids"):
        conditions.append(Condition("id", "in", tuple(call.params.texts("ids"))))
    return page(call, "product", conditions)


def _create_price(call: Call) -> JSON:
    world, params = call.world, call.params
    if params.sent("product_data"):
        product = _product(world, params.group("product_data"), world.new_id("prod", 14))
        world.create(product, "product.created")
    else:
        product = _living_product(world, params.required("product"), "product")
    price = _price(world, params, product["id"])
    _take_lookup_key(world, params, price)
    return world.create(price, "price.created")


def _price(world: World, params: Params, product: str) -> JSON:
    amount = params.integer("unit_amount")
    if amount is None:
        raise missing_parameter(params.name("unit_amount"))
    if amount < 0:
        raise invalid_parameter(
            params.name("unit_amount"),
            "This value must be greater than or equal to 0.",
            "parameter_invalid_integer",
        )
    recurring = params.group("recurring")
    active = params.boolean("active")
    return {
        "id": world.new_id("price", 24),
        "object": "price",
        "active": True if active is None else active,
        "billing_scheme": "per_unit",
        "created": world.now,
        "currency": params.required("currency").lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.text("lookup_key"),
        "metadata": params.metadata(),
        "nickname": params.text("nickname"),
        "product": product,
        "recurring": _recurring(recurring) if recurring.values else None,
        "tax_behavior": params.text("tax_behavior") or "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring.values else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def chosen_price(world: World, row: Params) -> JSON:
    """The price that a row of items names, or the one that its `price_data` describes.

    Raises:
        StripeError: 400, it is unknown or archived, or the description makes none.
    """
    if row.sent("price_data") and not row.sent("price"):
        return _inline_price(world, row.group("price_data"))
    price = world.fetch("price", row.required("price"), param=row.name("price"))
    if not price["active"]:
        raise invalid_parameter(
            row.name("price"),
            "The price specified is inactive. This field only accepts active prices.",
        )
    return price


def _inline_price(world: World, data: Params) -> JSON:
    """A price made for one purchase; nobody else can use it, so it is archived from the start."""
    data.refuse_unknown(_INLINE)
    if data.sent("product_data"):
        described = data.group("product_data")
        described.refuse_unknown(_INLINE_PRODUCT)
        product = _product(world, described, world.new_id("prod", 14))
        world.create(product, "product.created")
    else:
        product = _living_product(world, data.required("product"), data.name("product"))
    price = _price(world, data, product["id"]) | {"active": False}
    return world.create(price, "price.created")


def _recurring(params: Params) -> JSON:
    params.refuse_unknown(frozenset({"interval", "interval_count", "usage_type"}))
    params.choice("usage_type", ("licensed",))
    interval = params.choice("interval", tuple(_LONGEST))
    if interval is None:
        raise missing_parameter(params.name("interval"))
    count = params.integer("interval_count")
    if count is not None and count < 1:
        raise invalid_parameter(params.name("interval_count"), "interval_count must be at least 1.")
    if count is not None and count > _LONGEST[interval]:
        raise invalid_parameter(
            params.name("interval_count"),
            f"Invalid interval_count: {count} {interval}s. Maximum of three years interval allowed "
            "(3 years, 36 months, or 156 weeks).",
        )
    return {
        "interval": interval,
        "interval_count": count or 1,
        "meter": None,
        "usage_type": "licensed",
    }


def _take_lookup_key(world: World, params: Params, price: JSON) -> None:
    """A lookup key names one price; `transfer_lookup_key` takes it from its holder."""
    key = params.text("lookup_key")
    if key is None:
        return
    for holder in world.store.find("price", [Condition("lookup_key", "=", key)]):
        if holder["id"] == price["id"]:
            continue
        if not params.boolean("transfer_lookup_key"):
            raise invalid_parameter(
                "lookup_key",
                f"A price (`{holder['id']}`) already uses that lookup key. Pass "
                "transfer_lookup_key=true to move it.",
                "resource_already_exists",
            )
        world.update(holder, {"lookup_key": None}, "price.updated")


def _retrieve_price(call: Call) -> JSON:
    return call.world.fetch("price", call.ids["price"])


def _update_price(call: Call) -> JSON:
    world, params = call.world, call.params
    price = world.fetch("price", call.ids["price"])
    changes: JSON = {}
    if params.sent("active"):
        changes["active"] = params.boolean("active")
    for key in ("nickname", "tax_behavior", "lookup_key"):
        if params.sent(key):
            changes[key] = params.text(key)
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(price["metadata"])
    _take_lookup_key(world, params, price)
    world.update(price, changes, "price.updated")
    return price


def _list_prices(call: Call) -> JSON:
    params = call.params
    conditions = created_range(params)
    conditions += equalities(params, ["active", "currency", "product", "type"])
    if params.sent("lookup_keys"):
        conditions.append(Condition("lookup_key", "in", tuple(params.texts("lookup_keys"))))
    recurring = params.group("recurring")
    conditions += equalities(
        recurring, {"interval": "recurring.interval", "usage_type": "recurring.usage_type"}
    )
    return page(call, "price", conditions)


OPERATIONS = (
    operation("POST", "/v1/products", _create_product, f"id default_price_data {_PRODUCT}"),
    operation("GET", "/v1/products/{id}", _retrieve_product),
    operation("POST", "/v1/products/{id}", _update_product, f"default_price {_PRODUCT}"),
    operation("DELETE", "/v1/products/{id}", _delete_product),
    listing("/v1/products", _list_products, "active created ids shippable url"),
    operation(
        "POST",
        "/v1/prices",
        _create_price,
        f"billing_scheme currency product product_data recurring unit_amount {_PRICE}",
    ),
    operation("GET", "/v1/prices/{price}", _retrieve_price),
    operation("POST", "/v1/prices/{price}", _update_price, _PRICE),
    listing(
        "/v1/prices", _list_prices, "active created currency lookup_keys product recurring type"
    ),
)
