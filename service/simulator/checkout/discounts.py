"""Discounts of a Checkout session: given with it, or by a promotion code that the buyer types."""

from service.simulator.catalogue.discounts import (
    Purchase,
    Redemption,
    check_redeemable,
    read_discounts,
    redemption_of,
    taken_off,
)
from service.simulator.catalogue.promotion_codes import active_code
from service.simulator.payments.amounts import refuse_small
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World


def requested_discounts(world: World, params: Params, session: JSON) -> JSON:
    """The changes of a new session that its parameter `discounts` asks for.

    Raises:
        StripeError: 400, more than Stripe allows, or a discount that can't be redeemed.
    """
    if not params.rows("discounts"):
        return {}
    if params.sent("allow_promotion_codes"):
        raise invalid_parameter(
            "discounts",
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
        )
    if session["mode"] == "setup":
        raise invalid_parameter("discounts", "`discounts` can't be used in `setup` mode.")
    wanted = read_discounts(world, params, _purchase(world, session))
    if len(wanted) > 1:
        raise invalid_parameter("discounts", "A Checkout Session takes one discount at most.")
    return _changes(world, session, [entry for entry in wanted if isinstance(entry, Redemption)])


def apply_promotion_code(world: World, session: JSON, code: str) -> None:
    """Redeem the code that a buyer typed on the page of an open session; empty, it takes one back.

    The session's discounts, lines and totals are changed and kept; the redemption is counted when
    the session is paid.

    Raises:
        StripeError: 400 with the param `promotion_code`: this session takes no codes, or not this.
    """
    if not session["allow_promotion_codes"]:
        raise invalid_parameter("promotion_code", "This purchase takes no promotion codes.")
    redemptions = []
    if code.strip():
        found = active_code(world, code)
        if found is None:
            raise invalid_parameter("promotion_code", "This code is invalid.")
        redemption = redemption_of(world, found)
        check_redeemable(world, redemption, _purchase(world, session), "promotion_code")
        redemptions.append(redemption)
    changes = _changes(world, session, redemptions)
    refuse_small_total({**session, **changes}, "promotion_code")
    world.update(session, changes)


def refuse_small_total(session: JSON, param: str) -> None:
    """Refuse a session that asks for less than Stripe charges.

    Raises:
        StripeError: 400 amount_too_small.
    """
    least = "The Checkout Session's total amount due must add up to"
    refuse_small(session["amount_total"] or 0, session["currency"], least, param)


def session_redemptions(world: World, session: JSON) -> list[Redemption]:
    """What paying a session redeems.

    Raises:
        StripeError: 400, a discount was used up or ended since the session began.
    """
    found = []
    for entry in session["discounts"]:
        coupon = world.fetch("coupon", entry["coupon"])
        code = world.store.get(entry["promotion_code"]) if entry["promotion_code"] else None
        redemption = Redemption(coupon, code)
        try:
            check_redeemable(world, redemption, _purchase(world, session), "discounts")
        except StripeError as error:
            raise StripeError(
                400, f"{error.message} Start a new purchase.", code=error.code, param="discounts"
            ) from None
        found.append(redemption)
    return found


def _purchase(world: World, session: JSON) -> Purchase:
    lines = session["_sim"]["line_items"]
    prices = [(world.fetch("price", line["price"]), line["quantity"]) for line in lines]
    amount = sum(price["unit_amount"] * quantity for price, quantity in prices)
    return Purchase(session["customer"], session["currency"], amount)


def _changes(world: World, session: JSON, redemptions: list[Redemption]) -> JSON:
    """The session's discounts and what they make of its lines; in a trial nothing is due today."""
    lines = [
        {**line, "amount_discount": 0, "amount_total": line["amount_subtotal"]}
        for line in session["_sim"]["line_items"]
    ]
    for redemption in redemptions:
        _discount(world, lines, redemption.coupon)
    return {
        "_sim": {**session["_sim"], "line_items": lines},
        "amount_total": sum(line["amount_total"] for line in lines),
        "discounts": [
            {
                "coupon": redemption.coupon["id"],
                "promotion_code": redemption.promotion_code["id"]
                if redemption.promotion_code
                else None,
            }
            for redemption in redemptions
        ],
        "total_details": {
            **session["total_details"],
            "amount_discount": sum(line["amount_discount"] for line in lines),
        },
    }


def _discount(world: World, lines: list[JSON], coupon: JSON) -> None:
    products = coupon["_sim"]["products"]
    chosen = [
        line
        for line in lines
        if not products or world.fetch("price", line["price"])["product"] in products
    ]
    parts = taken_off(coupon, [line["amount_total"] for line in chosen])
    for line, part in zip(chosen, parts, strict=True):
        line["amount_discount"] += part
        line["amount_total"] -= part
