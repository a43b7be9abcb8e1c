"""What a new Checkout session sells, and on which terms: its parameters, read and checked."""

from dataclasses import dataclass, field

from service.simulator.billing.plans import (
    read_plan,
    read_quantity,
    read_trial,
    read_trial_settings,
)
from service.simulator.catalogue.products import chosen_price
from service.simulator.payments.debits import payment_method_types
from service.simulator.periods import DAY
from service.simulator.protocol.errors import invalid_parameter, missing_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

MODES = ("payment", "setup", "subscription")
_SHORTEST_TRIAL = 2 * DAY  # longer than a session lives: a trial is never over before it is bought
_SUBSCRIPTION_DATA = frozenset(
    {"description", "metadata", "trial_end", "trial_period_days", "trial_settings"}
)
_PAYMENT_DATA = frozenset({"description", "metadata", "receipt_email", "setup_future_usage"})
_SUBMIT_TYPES = ("auto", "book", "donate", "pay", "subscribe")
# The parameters that only some modes have.
_ONLY_IN = {
    "customer_creation": ("payment", "setup"),
    "invoice_creation": ("payment",),
    "payment_intent_data": ("payment",),
    "payment_method_collection": ("subscription",),
    "setup_intent_data": ("setup",),
    "submit_type": ("payment", "subscription"),
    "subscription_data": ("subscription",),
}


@dataclass(frozen=True)
class Terms:
    """What paying does. `kept` goes into the session's own key, `shown` into its public fields."""

    mode: str
    items: list[tuple[str, int]]
    currency: str | None
    free: bool
    kept: JSON = field(default_factory=dict)
    shown: JSON = field(default_factory=dict)


def read_terms(world: World, params: Params) -> Terms:
    """The terms that a request for a session names.

    Raises:
        StripeError: 400, they contradict each other, or Stripe doesn't sell on them.
    """
    mode = params.choice("mode", MODES)
    if mode is None:
        raise missing_parameter("mode")
    for name, modes in _ONLY_IN.items():
        if params.sent(name) and mode not in modes:
            raise invalid_parameter(name, f"`{name}` can't be used in `{mode}` mode.")
    if params.text("ui_mode") not in (None, "hosted_page"):
        raise not_simulated("ui_mode", "Checkout pages other than hosted_page")
    if mode == "subscription":
        return _subscription(world, params)
    return _payment(world, params) if mode == "payment" else _setup(params)


def _subscription(world: World, params: Params) -> Terms:
    data = params.group("subscription_data")
    data.refuse_unknown(_SUBSCRIPTION_DATA)
    plan = read_plan(world, params.rows("line_items"), "line_items", inline=True)
    days, trial_end = read_trial(data, world.now)
    if trial_end is not None and trial_end < world.now + _SHORTEST_TRIAL:
        raise invalid_parameter(
            data.name("trial_end"), "trial_end must be at least 2 days in the future."
        )
    collection = params.choice("payment_method_collection", ("always", "if_required")) or "always"
    return Terms(
        mode="subscription",
        items=plan.items,
        currency=plan.currency,
        free=bool(days or trial_end),
        kept={
            "plan": plan.items,
            "interval": [plan.currency, plan.interval, plan.interval_count],
            "trial_days": days,
            "trial_end": trial_end,
            "trial_settings": read_trial_settings(data),
            "subscription_metadata": data.metadata(),
            "subscription_description": data.text("description"),
        },
        shown={
            "customer_creation": "always",
            "payment_method_collection": collection,
            "submit_type": params.choice("submit_type", _SUBMIT_TYPES),
            "payment_method_types": _method_types(params, plan.currency),
        },
    )


def _payment(world: World, params: Params) -> Terms:
    items, currency = _goods(world, params.rows("line_items"))
    data = params.group("payment_intent_data")
    data.refuse_unknown(_PAYMENT_DATA)
    future = data.choice("setup_future_usage", ("off_session", "on_session"))
    invoicing = params.group("invoice_creation")
    invoicing.refuse_unknown(frozenset({"enabled", "invoice_data"}))
    invoice = invoicing.group("invoice_data")
    invoice.refuse_unknown(frozenset({"description", "footer", "metadata"}))
    makes_invoice = bool(invoicing.boolean("enabled"))
    creation = params.choice("customer_creation", ("always", "if_required")) or "if_required"
    return Terms(
        mode="payment",
        items=items,
        currency=currency,
        free=False,
        kept={
            "description": data.text("description"),
            "intent_metadata": data.metadata(),
            "receipt_email": data.text("receipt_email"),
            "future_usage": future,
            "needs_customer": creation == "always" or future is not None or makes_invoice,
        },
        shown={
            "customer_creation": creation,
            "invoice_creation": {
                "enabled": makes_invoice,
                "invoice_data": {
                    "account_tax_ids": None,
                    "custom_fields": None,
                    "description": invoice.text("description"),
                    "footer": invoice.text("footer"),
                    "issuer": None,
                    "metadata": invoice.metadata(),
                    "rendering_options": None,
                },
            },
            "payment_method_types": _method_types(params, currency),
            "submit_type": params.choice("submit_type", _SUBMIT_TYPES),
        },
    )


def _goods(world: World, rows: list[Params]) -> tuple[list[tuple[str, int]], str]:
    if not rows:
        raise missing_parameter("line_items")
    items: list[tuple[str, int]] = []
    currencies: set[str] = set()
    for row in rows:
        row.refuse_unknown(frozenset({"price", "price_data", "quantity"}))
        price = chosen_price(world, row)
        if price["recurring"] is not None:
            raise invalid_parameter(
                row.name("price"),
                "You specified `payment` mode but passed a recurring price. Either switch to "
                "`subscription` mode or use only one-time prices.",
            )
        items.append((price["id"], read_quantity(row) or 1))
        currencies.add(price["currency"])
    if len(currencies) > 1:
        raise invalid_parameter("line_items", "All prices must have the same currency.")
    return items, currencies.pop()


def _setup(params: Params) -> Terms:
    if params.sent("line_items"):
        raise invalid_parameter("line_items", "`line_items` can't be used in `setup` mode.")
    currency = params.required("currency").lower()
    data = params.group("setup_intent_data")
    data.refuse_unknown(frozenset({"description", "metadata"}))
    creation = params.choice("customer_creation", ("always", "if_required")) or "if_required"
    return Terms(
        mode="setup",
        items=[],
        currency=currency,
        free=True,
        kept={
            "description": data.text("description"),
            "intent_metadata": data.metadata(),
            "needs_customer": creation == "always",
        },
        shown={
            "customer_creation": creation,
            "payment_method_types": _method_types(params, currency),
            "payment_status": "no_payment_required",
        },
    )


def _method_types(params: Params, currency: str) -> list[str]:
    left_out = params.texts("excluded_payment_method_types")
    types = [kind for kind in payment_method_types(currency) if kind not in left_out]
    if not types:
        raise invalid_parameter(
            "excluded_payment_method_types", "No payment method is left to pay with."
        )
    return types


def read_taxes(params: Params, customer: JSON | None) -> JSON:
    """`automatic_tax`, `tax_id_collection` and `customer_update`: accepted; no tax is calculated.

    Raises:
        StripeError: 400, Stripe would miss an address or a name of the customer.
    """
    automatic, ids = params.group("automatic_tax"), params.group("tax_id_collection")
    automatic.refuse_unknown(frozenset({"enabled", "liability"}))
    ids.refuse_unknown(frozenset({"enabled", "required"}))
    update = params.group("customer_update")
    update.refuse_unknown(frozenset({"address", "name", "shipping"}))
    if update.values and customer is None:
        raise invalid_parameter(
            "customer_update", "`customer_update` can only be used with `customer`."
        )
    updated = {key: update.choice(key, ("auto", "never")) for key in update}
    calculates, collects = bool(automatic.boolean("enabled")), bool(ids.boolean("enabled"))
    has_address = customer is None or customer.get("address") or updated.get("address") == "auto"
    if calculates and not has_address:
        raise invalid_parameter(
            "automatic_tax",
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add "
            "one to the Customer or set `customer_update[address]` to 'auto'.",
            "customer_tax_location_invalid",
        )
    if collects and customer is not None and updated.get("name") != "auto":
        raise invalid_parameter(
            "tax_id_collection",
            "Tax ID collection requires updating business name on the customer. Set "
            "`customer_update[name]` to `auto`.",
        )
    shown: JSON = {
        "automatic_tax": {
            "enabled": calculates,
            "liability": {"type": "self"} if calculates else None,
            "provider": "stripe" if calculates else None,
            "status": "requires_location_inputs" if calculates else None,
        },
    }
    if ids.values:
        required = ids.choice("required", ("if_supported", "never")) or "never"
        shown["tax_id_collection"] = {"enabled": collects, "required": required}
    return {"shown": shown, "customer_update": updated}
