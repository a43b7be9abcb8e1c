"""Payouts: what is available of the balance goes to the account's bank each night.

Stripe's document beside the design pages lacks them: they are as https://docs.stripe.com/api/payouts
and its SDK have them.
"""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.payments.balance import PAY_OUT, book, take_available
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON
from service.simulator.world import World

ARRIVES_AFTER = 2 * DAY


def handle_pay_out(world: World, currency: str) -> None:
    """The agenda's `payout.create`: pay out what is available; a negative rest waits for more."""
    entries = take_available(world, currency)
    total = sum(entry["net"] for entry in entries)
    if total <= 0:
        return
    payout = _payout(world, currency, total)
    own = book(
        world, payout, -total, kind="payout", category="payout", description="STRIPE PAYOUT",
        payout=payout["id"],
    )  # fmt: skip
    payout["balance_transaction"] = own["id"]
    for entry in entries:
        world.update(entry, {"_sim": {"payout": payout["id"]}})
    world.create(payout, "payout.created")
    world.update(payout, {"status": "in_transit"}, "payout.updated")
    world.update(payout, {"reconciliation_status": "completed"}, "payout.reconciliation_completed")
    world.store.schedule(payout["arrival_date"], "payout.arrive", payout["id"])


def handle_arrival(world: World, identifier: str) -> None:
    """The agenda's `payout.arrive`: the bank has it."""
    payout = world.fetch("payout", identifier)
    if payout["status"] == "in_transit":
        world.update(payout, {"status": "paid"}, "payout.paid")


def fail_payout(world: World, identifier: str) -> JSON:
    """The bank sends a payout back, also one that it had: the money is in the balance again.

    Raises:
        StripeError: 404, no such payout; 400, it has failed already.
    """
    payout = world.fetch("payout", identifier)
    if payout["status"] == "failed":
        raise StripeError(400, f"Payout {identifier} has failed already.", param="payout")
    back = book(
        world, payout, payout["amount"], kind="payout_failure", category="payout_reversal",
        description="STRIPE PAYOUT FAILURE",
    )  # fmt: skip
    changes = {
        "failure_balance_transaction": back["id"],
        "failure_code": "account_closed",
        "failure_message": "The bank account has been closed.",
        "status": "failed",
    }
    world.update(payout, changes, "payout.failed")
    return payout


def _payout(world: World, currency: str, amount: int) -> JSON:
    return {
        "id": world.new_id("po", 24),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": world.own_now + ARRIVES_AFTER,
        "automatic": True,
        "balance_transaction": None,
        "created": world.own_now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("payout", call.ids["payout"])


def _list(call: Call) -> JSON:
    conditions = created_range(call.params) + created_range(call.params, "arrival_date")
    return page(call, "payout", conditions + equalities(call.params, ["destination", "status"]))


HANDLERS = {PAY_OUT: handle_pay_out, "payout.arrive": handle_arrival}

OPERATIONS = (
    operation("GET", "/v1/payouts/{payout}", _retrieve),
    listing("/v1/payouts", _list, "arrival_date created destination status"),
)
