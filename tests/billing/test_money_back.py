"""Refunds and disputes: what follows for access."""

import pytest

from tests.billing.desk import Desk, Order, as_it_was, backwards
from tests.databases import on_sqlite

EITHER_WAY = pytest.mark.parametrize("order", [as_it_was, backwards])


@on_sqlite
@pytest.mark.parametrize(
    ("order", "policy", "metadata", "opens", "status"),
    [
        (as_it_was, "keep", {}, True, "active"),
        (backwards, "end_access", {}, False, "active"),
        (as_it_was, "cancel", {}, False, "canceled"),
        (backwards, "cancel", {"paywall_access": "keep"}, True, "active"),
        (backwards, "keep", {"paywall_access": "cancel"}, False, "canceled"),
    ],
)
async def test_a_full_refund_of_the_latest_invoice(
    desk: Desk, order: Order, policy: str, metadata: dict[str, str], opens: bool, status: str
) -> None:
    desk.settings = desk.settings.model_copy(update={"refund_policy": policy})
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    desk.travel(minutes=1)
    desk.stripe.refunds.create({"payment_intent": desk.payment(subscription), "amount": 100})
    await desk.hear(order)
    assert await desk.is_open(subscription)
    desk.travel(days=1)
    desk.stripe.refunds.create({"payment_intent": desk.payment(subscription), "metadata": metadata})
    await desk.hear(order)
    assert await desk.is_open(subscription) is opens
    assert desk.status(subscription) == status == (await desk.row(subscription)).status
    ended = ["ended"] if status == "canceled" else []
    told = await desk.told(subscription)
    assert sorted(told) == sorted(["started", "payment.refunded", "payment.refunded", *ended])
    if opens or status == "canceled":
        return
    # A reader who pays the next invoice reads again.
    desk.travel(days=31)
    await desk.hear(order)
    assert await desk.is_open(subscription)


@on_sqlite
@EITHER_WAY
@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
async def test_a_dispute_freezes_and_its_end_decides(
    desk: Desk, order: Order, evidence: str
) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    await desk.hear(order)
    desk.travel(days=3)
    (charge,) = desk.stripe.charges.list({"customer": customer}).data
    opened = await desk.at_stripe.hook("dispute", charge=charge.id)
    await desk.hear(order)
    assert not await desk.is_open(subscription)
    assert (await desk.row(subscription)).access_stop == "dispute"
    desk.stripe.disputes.update(
        opened["id"], {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )
    desk.travel(days=1)
    await desk.hear(order)
    is_won = evidence == "winning_evidence"
    assert await desk.is_open(subscription) is is_won
    assert desk.status(subscription) == ("active" if is_won else "canceled")
    assert await desk.told(subscription) == [
        "started", "disputed", "dispute_closed", *([] if is_won else ["ended"])
    ]  # fmt: skip
    if not is_won:
        (*_, ended) = await desk.ledger(subscription)
        assert ended.after is not None
        assert ended.after["reason"] == "dispute_lost"


@on_sqlite
@EITHER_WAY
async def test_an_inquiry_freezes_once_it_is_a_chargeback(desk: Desk, order: Order) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer, "pm_card_createDisputeInquiry")
    await desk.hear(order)
    assert await desk.is_open(subscription)
    (inquiry,) = desk.stripe.disputes.list({}).data
    desk.stripe.disputes.update(
        inquiry.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    )
    await desk.hear(order)
    assert not await desk.is_open(subscription)
    assert (await desk.row(subscription)).access_stop == "dispute"
