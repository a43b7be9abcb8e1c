"""What is to be subscribed to, and its trial: parameters, read and checked."""

from dataclasses import dataclass

from service.simulator.catalogue.products import chosen_price
from service.simulator.periods import DAY
from service.simulator.protocol.errors import invalid_parameter, missing_parameter
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_LONGEST_TRIAL_DAYS = 730


@dataclass(frozen=True)
class Plan:
    """What is subscribed to: (price id, quantity) pairs of one currency and interval."""

    items: list[tuple[str, int]]
    currency: str
    interval: str
    interval_count: int


def plan_amount(world: World, plan: Plan) -> int:
    """What one period of a plan costs before discounts, in minor units."""
    prices = [(world.fetch("price", price), quantity) for price, quantity in plan.items]
    return sum(price["unit_amount"] * quantity for price, quantity in prices)


def recurring_price(world: World, row: Params) -> JSON:
    """The price that a row of `items` names.

    Raises:
        StripeError: 400, it is unknown, archived or one-time.
    """
    price = chosen_price(world, row)
    if price["recurring"] is None:
        raise invalid_parameter(
            row.name("price"),
            f"The price `{price['id']}` is one-time; a subscription needs a recurring price.",
        )
    return price


def terms_of(price: JSON) -> tuple[str, str, int]:
    """A recurring price's currency, interval and how many intervals a period has."""
    recurring = price["recurring"]
    return price["currency"], recurring["interval"], recurring["interval_count"]


def read_quantity(row: Params) -> int | None:
    """The quantity of a row of `items`; None where it names none."""
    quantity = row.integer("quantity")
    if quantity is not None and quantity < 1:
        raise invalid_parameter(row.name("quantity"), "quantity must be at least 1.")
    return quantity


def read_plan(world: World, rows: list[Params], name: str, *, inline: bool = False) -> Plan:
    """The plan that `items` or `line_items` describe; `inline`: perhaps by `price_data`.

    Raises:
        StripeError: 400, no items, an unknown, archived or one-time price, or mixed terms.
    """
    if not rows:
        raise missing_parameter(name)
    terms: set[tuple[str, str, int]] = set()
    items = []
    for row in rows:
        row.refuse_unknown(frozenset({"price", "quantity"} | ({"price_data"} if inline else set())))
        price = recurring_price(world, row)
        terms.add(terms_of(price))
        items.append((price["id"], read_quantity(row) or 1))
    if len(terms) > 1:
        raise invalid_parameter(
            name, "All prices must have the same currency and billing interval."
        )
    return Plan(items, *terms.pop())


def read_trial(params: Params, now: int) -> tuple[int | None, int | None]:
    """`trial_period_days` and `trial_end`: (days, instant), at most one of them.

    Raises:
        StripeError: 400, a trial outside Stripe's bounds.
    """
    days, end = params.integer("trial_period_days"), None
    if params.text("trial_end") not in (None, "now"):
        end = params.integer("trial_end")
    if days is not None and end is not None:
        raise invalid_parameter(
            params.name("trial_end"), "Send either trial_end or trial_period_days, not both."
        )
    if days is not None and not 1 <= days <= _LONGEST_TRIAL_DAYS:
        raise invalid_parameter(
            params.name("trial_period_days"), "trial_period_days must be between 1 and 730."
        )
    if end is not None and not now < end <= now + _LONGEST_TRIAL_DAYS * DAY:
        raise invalid_parameter(
            params.name("trial_end"), "trial_end must lie in the next 730 days."
        )
    return days, end


def read_trial_settings(params: Params) -> str:
    """What a trial's end brings where there is no payment method; without the field an invoice."""
    settings = params.group("trial_settings")
    settings.refuse_unknown(frozenset({"end_behavior"}))
    behaviour = settings.group("end_behavior")
    behaviour.refuse_unknown(frozenset({"missing_payment_method"}))
    chosen = behaviour.choice("missing_payment_method", ("cancel", "create_invoice", "pause"))
    return chosen or "create_invoice"
