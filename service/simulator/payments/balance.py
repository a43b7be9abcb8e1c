"""The account's balance: what each payment, refund and dispute moves in it, and what it costs.

Each currency is settled in itself. The fees are like Stripe's usual ones, with a made-up tax on what
it charges for payments, so that programs meet one.
"""

from collections.abc import Sequence

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.periods import DAY
from service.simulator.store import JSON, Condition
from service.simulator.world import World

PAY_OUT = "payout.create"
"""The agenda's name for a payout of all that is available in a currency."""
_AVAILABLE_AFTER = 2 * DAY
_HOME = "US"
_FIXED = 30
_CARD, _ABROAD, _DEBIT, _TAX = 290, 150, 80, 1_000
"""In hundredths of a percent; the tax is on the fee."""


def book_charge(world: World, charge: JSON) -> str:
    """Book a payment that has come in, less its fee; the id of its balance transaction."""
    is_card = charge["payment_method_details"]["type"] == "card"
    entry = book(
        world,
        charge,
        charge["amount"],
        kind="charge" if is_card else "payment",
        category="charge",
        fees=payment_fees(charge),
        description=charge["description"],
        available_on=available_on(world.own_now),
    )
    return str(entry["id"])


def book_refund(world: World, refund: JSON, *, is_card: bool, failed: bool = False) -> str:
    """Book a refund, or that a failed one came back. Stripe keeps the fee of what is refunded."""
    kind = "refund" if is_card else "payment_refund"
    name = "REFUND FAILURE" if failed else "REFUND FOR CHARGE"
    entry = book(
        world,
        refund,
        refund["amount"] if failed else -refund["amount"],
        kind="refund_failure" if failed else kind,
        category="refund_failure" if failed else "refund",
        description=f"{name} ({refund['charge']})",
    )
    return str(entry["id"])


def book(
    world: World,
    source: JSON,
    amount: int,
    *,
    kind: str,
    category: str,
    fees: Sequence[JSON] = (),
    description: str | None = None,
    available_on: int | None = None,
    payout: str | None = None,
) -> JSON:
    """Book an amount (minor units, negative: it leaves) because of `source`; the balance transaction.

    It is available at `available_on`, by default at once, and paid out from the next midnight on;
    `payout` is the payout that it is part of already.
    """
    now = world.own_now
    fee = sum(each["amount"] for each in fees)
    available_on = now if available_on is None else available_on
    entry = world.create(
        {
            "id": world.new_id("txn", 24),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": available_on,
            "balance_type": "payments",
            "created": now,
            "currency": source["currency"],
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": list(fees),
            "net": amount - fee,
            "reporting_category": category,
            "source": source["id"],
            "status": "available" if available_on <= now else "pending",
            "type": kind,
            "_sim": {"payout": payout},
        }
    )
    if payout is None:
        at = max(available_on, midnight(now + DAY))
        # Of the account, whatever test clock rules.
        if not world.store.is_scheduled(at, PAY_OUT, source["currency"]):
            world.store.schedule(at, PAY_OUT, source["currency"])
    return entry


def fee_of(amount: int, currency: str, description: str, kind: str = "stripe_fee") -> JSON:
    """A line of a balance transaction's fee; a negative one is given back."""
    return {
        "amount": amount,
        "application": None,
        "currency": currency,
        "description": description,
        "type": kind,
    }


def midnight(at: int) -> int:
    """The beginning of the UTC day."""
    return at - at % DAY


def take_available(world: World, currency: str) -> list[JSON]:
    """What is available and in no payout yet, the oldest first."""
    found = world.store.find(
        "balance_transaction",
        [
            Condition("_sim.payout", "=", None),
            Condition("currency", "=", currency),
            Condition("available_on", "<=", world.own_now),
        ],
        oldest_first=True,
    )
    for entry in found:
        if entry["status"] != "available":
            world.update(entry, {"status": "available"})
    return found


def available_on(paid_at: int) -> int:
    """When what was paid can be paid out."""
    return midnight(paid_at + _AVAILABLE_AFTER)


def payment_fees(charge: JSON) -> list[JSON]:
    """What a payment costs: the fee, and the tax on it."""
    details = charge["payment_method_details"]
    rate = _DEBIT
    if details["type"] == "card":
        rate = _CARD if details["card"]["country"] == _HOME else _CARD + _ABROAD
    fee = _share(charge["amount"], rate) + _FIXED
    currency = charge["currency"]
    tax = fee_of(_share(fee, _TAX), currency, "Tax on the fee", "tax")
    return [fee_of(fee, currency, "Stripe processing fees"), tax]


def _share(amount: int, rate: int) -> int:
    """`rate` hundredths of a percent of the amount, rounded half up."""
    return (amount * rate + 5_000) // 10_000


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("balance_transaction", call.ids["transaction"])


def _list(call: Call) -> JSON:
    fields = {"currency": "currency", "payout": "_sim.payout", "source": "source", "type": "type"}
    conditions = created_range(call.params) + equalities(call.params, fields)
    return page(call, "balance_transaction", conditions)


# Stripe's document beside the design pages has the object, but not these two operations: they are as
# https://docs.stripe.com/api/balance_transactions has them.
OPERATIONS = (
    operation("GET", "/v1/balance_transactions/{transaction}", _retrieve),
    listing("/v1/balance_transactions", _list, "created currency payout source type"),
)
