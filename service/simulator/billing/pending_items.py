"""Invoice items that wait for an invoice, such as prorations, and the lines they become there."""

from service.simulator.store import JSON, Condition
from service.simulator.world import World


def pending_items(world: World, subscription: JSON) -> list[JSON]:
    """What the subscription's next invoice takes along, oldest first.

    That is the subscription's own items, and the customer's that name no subscription.
    """
    waiting = world.store.find(
        "invoiceitem",
        [
            Condition("customer", "=", subscription["customer"]),
            Condition("currency", "=", subscription["currency"]),
        ],
        oldest_first=True,
    )
    return [
        item
        for item in waiting
        if item["invoice"] is None and subscription_of(item) in (None, subscription["id"])
    ]


def subscription_of(item: JSON) -> str | None:
    """The subscription that an invoice item belongs to."""
    parent = item["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def line_of_item(world: World, item: JSON, invoice: str) -> JSON:
    """The invoice line that an invoice item becomes."""
    return {
        "id": world.new_id("il", 24),
        "object": "line_item",
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": item["discountable"],
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": item["metadata"],
        "parent": _parent(item),
        "period": item["period"],
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "subscription": subscription_of(item),
        "subtotal": item["amount"],
        "taxes": [],
    }


def _parent(item: JSON) -> JSON:
    details = item["parent"]["subscription_details"] if item["parent"] else {}
    credited: JSON = item.get("proration_details", {}).get("credited_items") or {}
    shared = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": credited.get("invoice_line_item_details")},
        "subscription": details.get("subscription"),
    }
    if details.get("subscription_item"):
        return {
            "invoice_item_details": None,
            "subscription_item_details": {
                **shared,
                "subscription_item": details["subscription_item"],
            },
            "type": "subscription_item_details",
        }
    return {
        "invoice_item_details": shared,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
