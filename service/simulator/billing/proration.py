"""Prorations: credit for time that was billed and isn't used, a charge for what is left of a period.

As in Stripe's flexible billing mode, a credit is a part of what was in fact billed for the time, net
of discounts (https://docs.stripe.com/billing/subscriptions/prorations). What was billed is noted in
a subscription's `_sim["debits"]`: for each item the amounts with their period and invoice line.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from service.simulator.catalogue.discounts import taken_off
from service.simulator.store import JSON
from service.simulator.world import World


def debits_after(subscription: JSON, invoice: JSON) -> JSON:
    """The subscription's debits once `invoice` has billed its items' periods."""
    debits: JSON = dict(subscription["_sim"].get("debits", {}))
    for line in invoice["lines"]["data"]:
        details = line["parent"]["subscription_item_details"]
        if details is None:
            continue
        billed = {"invoice": invoice["id"], "line": line["id"]}
        item = details["subscription_item"]
        if details["proration"]:
            debits[item] = [
                {**debit, **billed} if debit["invoice_item"] == details["invoice_item"] else debit
                for debit in debits.get(item, [])
            ]
        else:
            amount = line["amount"] - sum(off["amount"] for off in line["discount_amounts"])
            debits[item] = [_debit(amount, line["period"], None, **billed)]
    return debits


def _debit(
    amount: int, period: JSON, invoice_item: str | None, *, invoice: str | None, line: str | None
) -> JSON:
    return {
        "amount": amount,
        "end": period["end"],
        "invoice": invoice,
        "invoice_item": invoice_item,
        "line": line,
        "start": period["start"],
    }


def credits_for(world: World, subscription: JSON, item: JSON, at: int) -> list[JSON]:
    """Invoice items, not kept yet, that give back what was billed for `item` after `at`."""
    made = []
    for debit in subscription["_sim"].get("debits", {}).get(item["id"], []):
        start = max(at, debit["start"])
        amount = _share(debit["amount"], debit["end"] - start, debit["end"] - debit["start"])
        if amount <= 0:
            continue
        credit = _invoice_item(world, subscription, item, -amount, (start, debit["end"]))
        credit["description"] = _described(world, item, "Unused time on", start)
        if debit["line"] is not None:
            details = {"invoice": debit["invoice"], "invoice_line_items": [debit["line"]]}
            kind = {"type": "invoice_line_items", "invoice_line_item_details": details}
        else:
            kind = {"type": "invoice_item", "invoice_item": debit["invoice_item"]}
        credit["proration_details"]["credited_items"] = kind
        made.append(credit)
    return made


def debit_for(world: World, subscription: JSON, item: JSON, at: int) -> tuple[JSON, JSON]:
    """An invoice item, not kept yet, that bills `item` for the rest of its period; and its debit."""
    start, end = item["current_period_start"], item["current_period_end"]
    whole = net_amount(world, subscription["discounts"], item)
    amount = _share(whole, end - at, end - start)
    made = _invoice_item(world, subscription, item, amount, (at, end))
    made["description"] = _described(world, item, "Remaining time on", at)
    return made, _debit(amount, made["period"], made["id"], invoice=None, line=None)


def net_amount(world: World, discounts: Sequence[str], item: JSON) -> int:
    """What a whole period of an item costs after those discounts that last."""
    price = world.fetch("price", item["price"])
    amount: int = price["unit_amount"] * item["quantity"]
    for identifier in discounts:
        discount = world.fetch("discount", identifier)
        coupon = world.fetch("coupon", discount["source"]["coupon"])
        products = coupon["_sim"]["products"]
        ended = discount["end"] is not None and discount["end"] <= world.now
        if coupon["duration"] == "once" or ended or (products and price["product"] not in products):
            continue
        amount -= taken_off(coupon, [amount])[0]
    return amount


def _share(amount: int, part: int, whole: int) -> int:
    if whole <= 0 or part <= 0:
        return 0
    exact = Decimal(amount) * part / whole
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def _described(world: World, item: JSON, what: str, at: int) -> str:
    price = world.fetch("price", item["price"])
    name = world.fetch("product", price["product"]).get("name", "deleted product")
    counted = f"{item['quantity']} × {name}" if item["quantity"] > 1 else name
    moment = datetime.fromtimestamp(at, UTC)
    return f"{what} {counted} after {moment.day} {moment:%b %Y}"


def _invoice_item(
    world: World, subscription: JSON, item: JSON, amount: int, period: tuple[int, int]
) -> JSON:
    price = world.fetch("price", item["price"])
    return {
        "id": world.new_id("ii", 24),
        "object": "invoiceitem",
        "amount": amount,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "date": world.now,
        "description": None,
        "discountable": False,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": {
            "subscription_details": {
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_details",
        },
        "period": {"end": period[1], "start": period[0]},
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": str(amount),
        },
        "proration": True,
        "proration_details": {"credited_items": None, "discount_amounts": []},
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "tax_rates": [],
        "test_clock": subscription["test_clock"],
    }
