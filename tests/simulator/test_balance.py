"""The balance: each payment's fee, what a payout is made of, and money that leaves again."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import PAYS, LocalStripe

ABROAD = "4000002760000016"


def _charge(local: LocalStripe, card: str = PAYS, **price: Any) -> Any:
    local.subscribe(local.price(**price), card=card)
    return local.v1.charges.list({"limit": 1, "expand": ["data.balance_transaction"]}).data[0]


def _parts(local: LocalStripe, payout: Any) -> dict[str, int]:
    found = local.v1.balance_transactions.list({"payout": payout.id, "limit": 100}).data
    return {f"{each.reporting_category} {each.amount}": each.net for each in found}


@pytest.mark.parametrize(
    ("card", "price", "fee", "tax"),
    [
        # 2.9 % of 9.00 is 0.26, and 0.30; a tenth of 0.56 is 0.06.
        (PAYS, {}, 56, 6),
        # 4.4 % of 9.00 is 0.40, and 0.30; a tenth of 0.70 is 0.07.
        (ABROAD, {}, 70, 7),
        # 2.9 % of ¥1000 is ¥29, and ¥30; a tenth of ¥59 is ¥6: there is no smaller unit.
        (PAYS, {"amount": 1000, "currency": "jpy"}, 59, 6),
    ],
)
def test_a_payment_costs_a_fee_and_its_tax(
    quiet: LocalStripe, card: str, price: dict[str, Any], fee: int, tax: int
) -> None:
    charge = _charge(quiet, card, **price)
    entry = charge.balance_transaction
    assert [(each.type, each.amount) for each in entry.fee_details] == [
        ("stripe_fee", fee), ("tax", tax),
    ]  # fmt: skip
    assert (entry.amount, entry.fee, entry.net) == (
        charge.amount, fee + tax, charge.amount - fee - tax,
    )  # fmt: skip
    assert (entry.type, entry.currency, entry.source) == ("charge", charge.currency, charge.id)
    assert (entry.status, entry.created) == ("pending", charge.created)


def test_a_payout_is_exactly_what_it_is_made_of(local: LocalStripe) -> None:
    charge = _charge(local)
    local.v1.refunds.create({"charge": charge.id, "amount": 400})
    _charge(local, currency="usd", amount=500)
    local.move(days=2)
    payouts = {each.currency: each for each in local.v1.payouts.list().data}
    # 9.00 less 0.62 and 4.00; 5.00 less 0.45 and 0.05 of tax.
    assert {currency: each.amount for currency, each in payouts.items()} == {"eur": 438, "usd": 450}
    assert _parts(local, payouts["eur"]) == {
        "charge 900": 838, "refund -400": -400, "payout -438": -438,
    }  # fmt: skip
    assert payouts["eur"].status == "in_transit"
    assert payouts["eur"].arrival_date - payouts["eur"].created == 2 * 24 * 3600
    local.move(days=2)
    assert local.v1.payouts.retrieve(payouts["eur"].id).status == "paid"
    assert local.v1.payouts.list({"status": "in_transit"}).data == []
    assert {kind for kind in local.receiver.types if kind.startswith("payout.")} == {
        "payout.created", "payout.updated", "payout.reconciliation_completed", "payout.paid",
    }  # fmt: skip


def test_what_is_negative_waits_for_the_next_payment(quiet: LocalStripe) -> None:
    charge = _charge(quiet)
    quiet.move(days=3)
    dispute = quiet.browser.post("/_sim/dispute", json={"charge": charge.id}).json()
    quiet.move(days=3)
    assert len(quiet.v1.payouts.list().data) == 1
    _charge(quiet, amount=5000)
    quiet.move(days=3)
    newest = quiet.v1.payouts.list({"limit": 1}).data[0]
    # 50.00 less 1.75 and 0.18; less 9.00 and the bank's 15.00.
    assert _parts(quiet, newest) == {
        "charge 5000": 4807, "dispute -900": -2400, "payout -2407": -2407,
    }  # fmt: skip
    [moved] = quiet.v1.disputes.retrieve(dispute["id"]).balance_transactions
    assert quiet.v1.balance_transactions.retrieve(moved.id).source == dispute["id"]


def test_a_refund_that_fails_comes_back(quiet: LocalStripe) -> None:
    charge = _charge(quiet, "4000000000005126")
    refund = quiet.v1.refunds.create({"charge": charge.id})
    quiet.move(days=1)
    shown = ["balance_transaction", "failure_balance_transaction"]
    failed = quiet.v1.refunds.retrieve(refund.id, {"expand": shown})
    assert failed.status == "failed"
    assert (failed.balance_transaction.net, failed.failure_balance_transaction.net) == (-900, 900)


def test_a_payout_that_the_bank_sends_back_is_paid_out_again(quiet: LocalStripe) -> None:
    _charge(quiet)
    quiet.move(days=5)
    [first] = quiet.v1.payouts.list().data
    assert first.status == "paid"
    answer = quiet.browser.post(f"/_sim/payout/{first.id}/fail")
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert quiet.browser.post(f"/_sim/payout/{first.id}/fail").status_code == 400
    assert quiet.browser.post("/_sim/payout/po_none/fail").status_code == 404
    quiet.move(days=1)
    second = quiet.v1.payouts.list({"limit": 1}).data[0]
    assert (second.id != first.id, second.amount) == (True, first.amount)
    [failure] = quiet.said("payout.failed")
    assert failure.failure_code == "account_closed"


def test_a_bank_debit_is_booked_when_its_money_comes(quiet: LocalStripe) -> None:
    session = quiet.session()
    paid = quiet.browser.post(
        f"/_sim/checkout/{session.id}/pay",
        json={"method": "bank_debit", "email": "ana@example.org", "name": "Ana"},
    )
    assert paid.status_code == 200
    [charge] = quiet.v1.charges.list().data
    assert charge.balance_transaction is None
    quiet.move(days=6)
    charge = quiet.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]})
    entry = charge.balance_transaction
    # 0.8 % of 9.00 is 0.07, and 0.30; a tenth is 0.04.
    assert (entry.type, entry.fee, entry.created > charge.created) == ("payment", 41, True)


def test_unknown_ones_are_missing(quiet: LocalStripe) -> None:
    for retrieve in (quiet.v1.balance_transactions.retrieve, quiet.v1.payouts.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            retrieve("none_1")
        assert refused.value.code == "resource_missing"
