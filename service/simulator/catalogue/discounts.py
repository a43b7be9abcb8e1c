"""Discounts: coupons redeemed for a subscription, and what they take off invoices.

How they last is told at https://docs.stripe.com/billing/subscriptions/coupons: `once` is spent on
the first invoice that it makes cheaper, `repeating` ends some months after it was redeemed.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from service.simulator.catalogue.coupons import living_coupon, redeem_coupon
from service.simulator.catalogue.promotion_codes import redeem_code
from service.simulator.periods import after
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World


@dataclass(frozen=True)
class Redemption:
    """A coupon that somebody wants to redeem, perhaps by a promotion code."""

    coupon: JSON
    promotion_code: JSON | None = None


@dataclass(frozen=True)
class Purchase:
    """What a discount is asked for. `amount` is in minor units, before any discount."""

    customer: str | None
    currency: str
    amount: int


def read_discounts(
    world: World, params: Params, purchase: Purchase, held: Sequence[str] = ()
) -> list[Redemption | str]:
    """What `discounts` asks for: redemptions, and ids of discounts that are `held` already.

    Raises:
        StripeError: 400, an entry names nothing, or nothing that this purchase may redeem.
    """
    found: list[Redemption | str] = []
    for row in params.rows("discounts"):
        row.refuse_unknown(frozenset({"coupon", "discount", "promotion_code"}))
        if len(row.values) != 1:
            raise invalid_parameter(
                row.name("coupon"), "Each discount names one coupon, promotion code or discount."
            )
        kept = row.text("discount")
        if kept is None:
            redemption = _redemption(world, row)
            check_redeemable(world, redemption, purchase, params.name("discounts"))
            found.append(redemption)
        elif kept in held:
            found.append(kept)
        else:
            raise missing_resource("discount", kept, row.name("discount"))
    return found


def _redemption(world: World, row: Params) -> Redemption:
    if row.text("promotion_code") is None:
        return Redemption(living_coupon(world, row.required("coupon"), row.name("coupon")))
    param = row.name("promotion_code")
    return redemption_of(
        world, world.fetch("promotion_code", row.required("promotion_code"), param=param)
    )


def redemption_of(world: World, promotion_code: JSON) -> Redemption:
    """The coupon that a promotion code stands for."""
    return Redemption(world.fetch("coupon", promotion_code["promotion"]["coupon"]), promotion_code)


def check_redeemable(world: World, redemption: Redemption, purchase: Purchase, param: str) -> None:
    """Refuse a coupon or promotion code that this purchase may not redeem.

    Raises:
        StripeError: 400, with the reason.
    """
    code = redemption.promotion_code
    if code is not None:
        reason = _refusal_of_code(world, code, purchase)
        if reason:
            raise StripeError(
                400, f"This promotion code cannot be redeemed because {reason}.", param=param
            )
    coupon = redemption.coupon
    if not coupon["valid"]:
        raise StripeError(
            400,
            "The coupon can't be redeemed: it has expired or is used up.",
            code="coupon_expired",
            param=param,
        )
    if coupon["currency"] is not None and coupon["currency"] != purchase.currency:
        raise invalid_parameter(
            param,
            f"The coupon takes off {coupon['currency'].upper()}, the purchase is in "
            f"{purchase.currency.upper()}.",
        )


def _refusal_of_code(world: World, code: JSON, purchase: Purchase) -> str | None:
    restrictions = code["restrictions"]
    if not code["active"]:
        return "it is not active: it has expired, is used up or was switched off"
    if code["customer"] is not None and code["customer"] != purchase.customer:
        return "it belongs to another customer"
    minimum = restrictions["minimum_amount"]
    if minimum is not None and (
        purchase.currency != restrictions["minimum_amount_currency"] or purchase.amount < minimum
    ):
        return "the purchase is smaller than its minimum amount"
    if restrictions["first_time_transaction"] and _has_paid(world, purchase.customer):
        return "the associated customer has prior transactions"
    return None


def _has_paid(world: World, customer: str | None) -> bool:
    paid = [Condition("customer", "=", customer), Condition("status", "=", "paid")]
    return customer is not None and bool(
        world.store.find("invoice", paid, limit=1)
        or world.store.find(
            "charge", [Condition("customer", "=", customer), Condition("paid", "=", True)], limit=1
        )
    )


def redeem(
    world: World,
    wanted: Iterable[Redemption | str],
    *,
    customer: str | None,
    subscription: str | None = None,
    checkout_session: str | None = None,
) -> list[str]:
    """Make discounts of redemptions and say so; those that exist already stay as they are.

    Returns:
        The discounts' ids.
    """
    made = []
    for entry in wanted:
        if isinstance(entry, str):
            made.append(entry)
            continue
        redeem_coupon(world, entry.coupon)
        if entry.promotion_code is not None:
            redeem_code(world, entry.promotion_code)
        discount = _discount(world, entry, customer)
        discount |= {"checkout_session": checkout_session, "subscription": subscription}
        world.create(discount, "customer.discount.created")
        if discount["end"] is not None:
            world.schedule(discount["end"], "discount.end", discount["id"])
        made.append(discount["id"])
    return made


def _discount(world: World, entry: Redemption, customer: str | None) -> JSON:
    months = entry.coupon["duration_in_months"]
    return {
        "id": world.new_id("di", 24),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "end": after(world.now, "month", months) if months else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": entry.promotion_code["id"] if entry.promotion_code else None,
        "source": {"coupon": entry.coupon["id"], "type": "coupon"},
        "start": world.now,
        "subscription": None,
        "subscription_item": None,
    }


def discount_lines(
    world: World, lines: list[JSON], discounts: Sequence[str], at: int | None = None
) -> list[JSON]:
    """Take the discounts that last beyond `at` (now) off an invoice's lines, one after the other.

    Each line learns its part in `discount_amounts`; lines of prorations take none, since theirs is
    in their amount already.

    Returns:
        The invoice's `total_discount_amounts`.
    """
    totals = []
    left = {line["id"]: line["amount"] for line in lines if line["discountable"]}
    for identifier in discounts:
        discount = world.fetch("discount", identifier)
        if discount["end"] is not None and discount["end"] <= (at or world.now):
            continue
        coupon = world.fetch("coupon", discount["source"]["coupon"])
        products = coupon["_sim"]["products"]
        chosen = [
            line
            for line in lines
            if left.get(line["id"], 0) > 0
            and (not products or line["pricing"]["price_details"]["product"] in products)
        ]
        parts = taken_off(coupon, [left[line["id"]] for line in chosen])
        for line, part in zip(chosen, parts, strict=True):
            left[line["id"]] -= part
            line["discount_amounts"].append({"amount": part, "discount": identifier})
        totals.append({"amount": sum(parts), "discount": identifier})
    return totals


def taken_off(coupon: JSON, amounts: Sequence[int]) -> list[int]:
    """What a coupon takes off each of `amounts` (minor units); never more than there is."""
    whole = sum(amounts)
    if coupon["percent_off"] is not None:
        exact = whole * Decimal(str(coupon["percent_off"])) / 100
        total = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    else:
        total = min(coupon["amount_off"], whole)
    parts, reached, given = [], 0, 0
    for amount in amounts:  # each up to its share of what is reached so far: nothing is lost
        reached += amount
        upto = total * reached // whole if whole else 0
        parts.append(upto - given)
        given = upto
    return parts


def spend_discounts(world: World, subscription: JSON, invoice: JSON) -> list[str]:
    """An invoice was made: discounts that count once are over when they took something off.

    Returns:
        The discounts that the subscription keeps; the caller changes it and emits the event.
    """
    spent = set()
    for entry in invoice["total_discount_amounts"]:
        discount = world.fetch("discount", entry["discount"])
        coupon = world.fetch("coupon", discount["source"]["coupon"])
        if coupon["duration"] == "once" and entry["amount"]:
            spent.add(discount["id"])
    return without_discounts(world, subscription, spent)


def without_discounts(world: World, subscription: JSON, dropped: Container[str]) -> list[str]:
    """The discounts that stay without those `dropped`, whose end is announced."""
    for identifier in subscription["discounts"]:
        if identifier in dropped:
            world.store.unschedule(identifier)
            world.emit("customer.discount.deleted", world.fetch("discount", identifier))
    return [identifier for identifier in subscription["discounts"] if identifier not in dropped]


def handle_end(world: World, identifier: str) -> None:
    """The agenda's `discount.end`: a repeating coupon's months are over."""
    discount = world.fetch("discount", identifier)
    subscription = world.fetch("subscription", discount["subscription"])
    changes = {"discounts": without_discounts(world, subscription, {identifier})}
    world.update(subscription, changes, "customer.subscription.updated")


HANDLERS = {"discount.end": handle_end}
