"""What a subscription consists of: reading changes of its items."""

from service.simulator.billing.plans import read_quantity, recurring_price, terms_of
from service.simulator.billing.subscriptions import new_items, period_of
from service.simulator.protocol.errors import invalid_parameter, missing_parameter, missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_ROW = frozenset({"deleted", "id", "metadata", "price", "quantity"})


def changed_items(world: World, params: Params, subscription: JSON) -> list[JSON] | None:
    """The items after what `items` asks for; None where it asks for no change.

    A row with an `id` changes or deletes that item, one without adds an item.

    Raises:
        StripeError: 400, a row makes no sense, or what is left couldn't be billed together.
    """
    rows = params.rows("items")
    if not rows:
        return None
    items = {item["id"]: item for item in subscription["items"]["data"]}
    for row in rows:
        row.refuse_unknown(_ROW)
        identifier = row.text("id")
        if identifier is None:
            added = added_item(world, row, subscription)
            items[added["id"]] = added
        elif identifier not in items:
            raise missing_resource("subscription item", identifier, row.name("id"))
        elif row.boolean("deleted"):
            del items[identifier]
        else:
            items[identifier] = changed_item(world, row, items[identifier])
    check_together(world, subscription, list(items.values()), params.name("items"))
    return list(items.values())


def added_item(world: World, row: Params, subscription: JSON) -> JSON:
    """A new item in the subscription's present period."""
    if row.text("price") is None:
        raise missing_parameter(row.name("price"))
    price = recurring_price(world, row)
    made = new_items(world, subscription["id"], [(price["id"], read_quantity(row) or 1)])
    item: JSON = made["data"][0]
    start, end = period_of(subscription)
    return {
        **item,
        "current_period_end": end,
        "current_period_start": start,
        "metadata": row.metadata(),
    }


def changed_item(world: World, row: Params, item: JSON) -> JSON:
    """An item with another price, quantity or metadata; an archived price may stay."""
    changed = {**item, "metadata": row.metadata(item["metadata"])}
    if row.text("price") not in (None, item["price"]):
        changed["price"] = recurring_price(world, row)["id"]
    changed["quantity"] = read_quantity(row) or item["quantity"]
    return changed


def check_together(world: World, subscription: JSON, items: list[JSON], param: str) -> None:
    """Refuse items that one subscription can't hold.

    Raises:
        StripeError: 400, none at all, a price twice, another currency, or mixed intervals.
    """
    if not items:
        raise invalid_parameter(param, "A subscription must have at least one item.")
    prices = [world.fetch("price", item["price"]) for item in items]
    if len({price["id"] for price in prices}) < len(prices):
        raise invalid_parameter(
            param,
            "Two items of a subscription can't have the same price. To change an item, send its id.",
        )
    terms = {terms_of(price) for price in prices}
    if any(currency != subscription["currency"] for currency, _, _ in terms):
        raise invalid_parameter(
            param,
            f"The subscription is in {subscription['currency'].upper()}; every price must be in "
            "that currency.",
        )
    if len(terms) > 1:
        raise invalid_parameter(param, "All prices must have the same billing interval.")
