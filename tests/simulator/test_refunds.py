"""Money that goes back: refunds, and disputes that a bank opens and decides."""

from typing import Any

import pytest
import stripe

from service.simulator.periods import DAY, HOUR
from tests.simulator.local import LocalStripe

DISPUTED = "4000000000000259"
INQUIRED = "4000000000001976"
REFUND_PENDING = "4000000000007726"
REFUND_FAILS = "4000000000005126"


def _charge(local: LocalStripe, card: str = "4242424242424242") -> Any:
    """The charge of a new subscription's first invoice, 9.00 EUR."""
    local.subscribe(card=card)
    return local.v1.charges.list({"limit": 1}).data[0]


def test_refunds_in_parts_and_no_more_than_was_paid(local: LocalStripe) -> None:
    charge = _charge(local)
    v1 = local.v1
    part = v1.refunds.create(
        {
            "payment_intent": charge.payment_intent,
            "amount": 400,
            "reason": "requested_by_customer",
            "metadata": {"case": "7"},
        },
        {"idempotency_key": "refund-once"},
    )
    assert (part.status, part.amount, part.charge) == ("succeeded", 400, charge.id)
    assert (part.reason, part.metadata.case) == ("requested_by_customer", "7")
    assert (part.payment_intent, part.customer) == (charge.payment_intent, charge.customer)
    now = v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (now.amount_refunded, now.refunded) == (400, False)
    assert [refund.id for refund in now.refunds.data] == [part.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        v1.refunds.create({"charge": charge.id, "amount": 501})
    assert (refused.value.param, refused.value.http_status) == ("amount", 400)
    rest = v1.refunds.create({"charge": charge.id})
    assert rest.amount == 500
    now = v1.charges.retrieve(charge.id)
    assert (now.amount_refunded, now.refunded, now.paid) == (900, True, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        v1.refunds.create({"charge": charge.id, "amount": 1})
    assert refused.value.code == "charge_already_refunded"
    assert [found.id for found in v1.refunds.list({"charge": charge.id}).data] == [rest.id, part.id]
    assert len(v1.refunds.list({"payment_intent": charge.payment_intent}).data) == 2
    assert v1.refunds.list({"charge": "ch_none"}).data == []
    local.deliver()
    totals = [seen["amount_refunded"] for seen in local.receiver.objects("charge.refunded")]
    assert sorted(totals) == [400, 900]
    assert local.receiver.types.count("refund.created") == 2
    [invoice] = v1.invoices.list({"customer": charge.customer}).data
    assert (invoice.status, invoice.amount_paid) == ("paid", 900)


def test_a_one_off_payment_is_refunded(local: LocalStripe) -> None:
    v1 = local.v1
    book = v1.prices.create(
        {"product": v1.products.create({"name": "Book"}).id, "unit_amount": 700, "currency": "eur"}
    )
    session = local.session(book, mode="payment")
    assert local.pay(session).status_code == 200
    paid = v1.checkout.sessions.retrieve(session.id)
    refund = v1.refunds.create({"payment_intent": paid.payment_intent})
    assert (refund.amount, v1.charges.retrieve(refund.charge).refunded) == (700, True)
    assert v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_the_same_click_refunds_once(local: LocalStripe) -> None:
    charge = _charge(local)
    wanted = {"charge": charge.id, "amount": 100}
    first = local.v1.refunds.create(wanted, {"idempotency_key": "click"})
    again = local.v1.refunds.create(wanted, {"idempotency_key": "click"})
    assert first.id == again.id
    assert local.v1.charges.retrieve(charge.id).amount_refunded == 100
    with pytest.raises(stripe.IdempotencyError):
        local.v1.refunds.create({**wanted, "amount": 200}, {"idempotency_key": "click"})


def test_a_refunds_metadata_changes(local: LocalStripe) -> None:
    refund = local.v1.refunds.create({"charge": _charge(local).id})
    changed = local.v1.refunds.update(refund.id, {"metadata": {"case": "8"}})
    assert local.v1.refunds.retrieve(refund.id).metadata.case == changed.metadata.case == "8"
    local.deliver()
    [seen] = local.receiver.objects("refund.updated")
    assert seen["metadata"] == {"case": "8"}
    assert local.receiver.objects("charge.refund.updated") == [seen]


def test_refunds_that_make_no_sense(local: LocalStripe) -> None:
    charge = _charge(local)
    here = {"charge": charge.id}
    table: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "payment_intent"),
        ({**here, "payment_intent": charge.payment_intent}, "payment_intent"),
        ({"charge": "ch_none"}, "charge"),
        ({"payment_intent": "pi_none"}, "payment_intent"),
        ({**here, "amount": 0}, "amount"),
        ({**here, "reason": "boredom"}, "reason"),
        ({**here, "reverse_transfer": True}, "reverse_transfer"),
        ({**here, "origin": "customer_balance"}, "origin"),
    )
    for wanted, param in table:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.v1.refunds.create(wanted)
        assert (refused.value.http_status, refused.value.param) == (400, param), wanted
    assert local.v1.charges.retrieve(charge.id).amount_refunded == 0
    nonsense: tuple[Any, ...] = ({}, {"charge": "ch_none"}, {"charge": 7}, [])
    for entries in nonsense:
        answer = local.browser.post("/_sim/dispute", json=entries)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "charge")


def test_a_refused_charge_has_nothing_to_refund(local: LocalStripe) -> None:
    local.pay(local.session(), "4000000000000002")
    [charge] = local.v1.charges.list().data
    for wanted in ({"charge": charge.id}, {"payment_intent": charge.payment_intent}):
        with pytest.raises(stripe.InvalidRequestError):
            local.v1.refunds.create(wanted)


@pytest.mark.parametrize(
    ("card", "statuses", "left"),
    [(REFUND_PENDING, ["pending", "succeeded"], 900), (REFUND_FAILS, ["succeeded", "failed"], 0)],
)
def test_a_bank_answers_a_refund_later(
    local: LocalStripe, card: str, statuses: list[str], left: int
) -> None:
    charge = _charge(local, card)
    refund = local.v1.refunds.create({"charge": charge.id})
    local.move(seconds=HOUR)
    settled = local.v1.refunds.retrieve(refund.id)
    assert [refund.status, settled.status] == statuses
    assert local.v1.charges.retrieve(charge.id).amount_refunded == left
    assert local.receiver.types.count("refund.updated") == 1
    assert local.receiver.types.count("refund.failed") == (settled.status == "failed")
    if not left:
        assert local.v1.refunds.create({"charge": charge.id}).amount == 900


def test_the_disputing_card_is_disputed_and_a_dispute_can_be_won(local: LocalStripe) -> None:
    charge = _charge(local, DISPUTED)
    [dispute] = local.v1.disputes.list({"payment_intent": charge.payment_intent}).data
    assert (dispute.status, dispute.amount, dispute.reason) == ("needs_response", 900, "fraudulent")
    assert dispute.balance_transactions[0].net == -900 - 1500
    assert local.v1.charges.retrieve(charge.id).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_disputed"
    staged = local.v1.disputes.update(
        dispute.id, {"evidence": {"product_description": "News"}, "submit": False}
    )
    assert (staged.status, staged.evidence_details.submission_count) == ("needs_response", 0)
    won = local.v1.disputes.update(
        dispute.id,
        {"evidence": {"uncategorized_text": "winning_evidence"}, "metadata": {"case": "9"}},
    )
    assert (won.status, won.metadata.case, won.is_charge_refundable) == ("won", "9", True)
    assert sum(entry.net for entry in won.balance_transactions) == 0
    local.deliver()
    expected = {"created", "updated", "closed", "funds_withdrawn", "funds_reinstated"}
    assert {f"charge.dispute.{kind}" for kind in expected} <= set(local.receiver.types)
    assert [seen["status"] for seen in local.receiver.objects("charge.dispute.closed")] == ["won"]
    assert local.v1.refunds.create({"charge": charge.id}).status == "succeeded"


@pytest.mark.parametrize("how", ["losing_evidence", "close", "silence"])
def test_a_dispute_is_lost(local: LocalStripe, how: str) -> None:
    charge = _charge(local)
    answer = local.browser.post("/_sim/dispute", json={"charge": charge.id})
    assert (answer.status_code, answer.json()["status"]) == (200, "needs_response")
    identifier = answer.json()["id"]
    if how == "close":
        local.v1.disputes.close(identifier)
    elif how == "silence":
        local.move(seconds=9 * DAY)
    else:
        local.v1.disputes.update(identifier, {"evidence": {"uncategorized_text": how}})
    lost = local.v1.disputes.retrieve(identifier, {"expand": ["charge"]})
    assert (lost.status, lost.charge.disputed, lost.is_charge_refundable) == ("lost", True, False)
    with pytest.raises(stripe.InvalidRequestError, match="is lost"):
        local.v1.disputes.close(identifier)
    local.deliver()
    assert "charge.dispute.funds_reinstated" not in local.receiver.types
    assert local.receiver.types.count("charge.dispute.closed") == 1
    again = local.browser.post("/_sim/dispute", json={"charge": charge.id})
    assert (again.status_code, again.json()["error"]["code"]) == (400, "charge_disputed")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("winning_evidence", "warning_closed"),
        ("losing_evidence", "warning_closed"),
        ("Let me explain", "warning_under_review"),
        ("escalate_inquiry_evidence", "needs_response"),
        (None, "warning_closed"),
    ],
)
def test_an_inquiry_moves_no_money_until_it_is_a_chargeback(
    local: LocalStripe, word: str | None, status: str
) -> None:
    v1, charge = local.v1, _charge(local, INQUIRED)
    [inquiry] = v1.disputes.list({"charge": charge.id}).data
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert (inquiry.payment_method_details.card.case_type, inquiry.balance_transactions) == (
        "inquiry",
        [],
    )
    with pytest.raises(stripe.InvalidRequestError, match="nothing to lose"):
        v1.disputes.close(inquiry.id)
    v1.refunds.create({"charge": charge.id, "amount": 100})
    if word is None:
        local.move(seconds=9 * DAY)
    else:
        v1.disputes.update(inquiry.id, {"evidence": {"uncategorized_text": word}})
    after = v1.disputes.retrieve(inquiry.id)
    assert after.status == status
    if status == "needs_response":
        assert after.payment_method_details.card.case_type == "chargeback"
        assert [entry.amount for entry in after.balance_transactions] == [-900]
        assert v1.disputes.close(inquiry.id).status == "lost"
    again = local.browser.post("/_sim/dispute", json={"charge": charge.id})
    assert again.status_code == (200 if status == "warning_closed" else 400)


def test_a_dispute_under_review_waits_for_the_bank(local: LocalStripe) -> None:
    dispute = local.browser.post("/_sim/dispute", json={"charge": _charge(local).id}).json()
    handed_in = local.v1.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": "She read every day."}}
    )
    assert (handed_in.status, handed_in.evidence_details.has_evidence) == ("under_review", True)
    with pytest.raises(stripe.InvalidRequestError, match="under review"):
        local.v1.disputes.update(dispute["id"], {"evidence": {"customer_name": "Ana"}})
    local.move(seconds=20 * DAY)
    assert local.v1.disputes.retrieve(dispute["id"]).status == "under_review"


def test_a_payment_intent_leads_to_its_invoice(local: LocalStripe) -> None:
    charge = _charge(local)
    local.subscribe()
    wanted = {"type": "payment_intent", "payment_intent": charge.payment_intent}
    [found] = local.v1.invoice_payments.list(
        {"payment": wanted, "status": "paid", "expand": ["data.payment.payment_intent"]}
    ).data
    assert found.payment.payment_intent.latest_charge == charge.id
    [of_invoice] = local.v1.invoice_payments.list({"invoice": found.invoice}).data
    assert of_invoice.id == found.id
    assert local.v1.invoice_payments.list({"invoice": found.invoice, "status": "open"}).data == []
    later = {"invoice": found.invoice, "created": {"gt": local.now}}
    assert local.v1.invoice_payments.list(later).data == []
    for faulty in ({"payment_intent": charge.payment_intent}, {"type": "cash"}):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.v1.invoice_payments.list({"payment": faulty})
        assert refused.value.param == "payment[type]"
