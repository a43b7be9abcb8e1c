"""Pauses: of collecting payments, and of a subscription altogether; trials without a card; ends."""

from typing import Any

import pytest
import stripe

from service.simulator.periods import DAY, HOUR, previous_boundary
from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _subscribed(local: LocalStripe, card: str | None = "pm_card_visa", **fields: Any) -> Any:
    price = local.price(1000, recurring={"interval": "day", "interval_count": 30})
    return local.v1.subscriptions.create(
        {"customer": local.customer(card).id, "items": [{"price": price.id}], **fields}
    )


def _again(local: LocalStripe, subscription: Any) -> Any:
    return local.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})


@pytest.mark.parametrize(
    ("behaviour", "status", "event"),
    [
        ("keep_as_draft", "draft", None),
        ("mark_uncollectible", "uncollectible", "invoice.marked_uncollectible"),
        ("void", "void", "invoice.voided"),
    ],
)
def test_a_pause_of_collecting_keeps_the_subscription_active(
    local: LocalStripe, behaviour: str, status: str, event: str | None
) -> None:
    made = _subscribed(local)
    until = local.now + 40 * DAY
    paused = local.v1.subscriptions.update(
        made.id, {"pause_collection": {"behavior": behaviour, "resumes_at": until}}
    )
    assert (paused.status, paused.pause_collection.resumes_at) == ("active", until)
    local.move(days=31)
    renewed = _again(local, made)
    invoice = renewed.latest_invoice
    assert (renewed.status, invoice.status, invoice.auto_advance) == ("active", status, False)
    assert invoice.id != made.latest_invoice
    assert event is None or len(local.said(event)) == 1
    local.move(days=10)
    assert _again(local, made).pause_collection is None
    local.move(days=20)
    after_it = _again(local, made)
    assert (after_it.status, after_it.latest_invoice.status) == ("active", "paid")
    assert local.v1.invoices.retrieve(invoice.id).status == status
    assert len(local.v1.charges.list().data) == 2


def test_a_pause_of_collecting_is_taken_back(local: LocalStripe) -> None:
    made = _subscribed(local)
    pause = {"behavior": "void", "resumes_at": local.now + 5 * DAY}
    for wrong in (
        {"behavior": "stop"},
        {"resumes_at": local.now + DAY},
        {**pause, "resumes_at": 1},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            local.v1.subscriptions.update(made.id, {"pause_collection": wrong})
    local.v1.subscriptions.update(made.id, {"pause_collection": pause})
    back = local.v1.subscriptions.update(made.id, {"pause_collection": ""})
    assert back.pause_collection is None
    assert len(local.said("customer.subscription.updated")) == 3
    local.move(days=31)
    assert _again(local, made).latest_invoice.status == "paid"


def test_a_switch_within_a_pause_of_collecting_is_not_collected_either(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.update(made.id, {"pause_collection": {"behavior": "keep_as_draft"}})
    item = {"id": made["items"].data[0].id, "quantity": 2}
    terms = {"proration_behavior": "always_invoice"}
    local.v1.subscriptions.update(made.id, {"items": [item], **terms})
    invoice = _again(local, made).latest_invoice
    assert (invoice.id != made.latest_invoice, invoice.status) == (True, "draft")
    local.move(days=2)
    assert local.v1.invoices.retrieve(invoice.id).status == "draft"
    assert len(local.v1.charges.list().data) == 1


def test_a_paused_subscription_rests_until_its_resumption_is_paid(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.move(days=15)
    paused = local.v1.subscriptions.pause(made.id)
    why = paused.status_details.paused
    assert (paused.status, why.subscription.type) == ("paused", "pause_requested")
    assert why.transitioned_at == local.now
    assert len(local.said("customer.subscription.paused")) == 1
    local.move(days=100)
    assert _again(local, made).latest_invoice.id == made.latest_invoice
    resumed = local.v1.subscriptions.resume(
        made.id, {"payment_behavior": "resume_on_payment_success", "expand": ["latest_invoice"]}
    )
    assert (resumed.status, resumed.status_details) == ("active", None)
    assert len(local.said("customer.subscription.resumed")) == 1
    assert resumed["items"].data[0].current_period_end == local.now + 30 * DAY
    # Half a period was credited when the pause began.
    assert (resumed.latest_invoice.total, resumed.latest_invoice.status) == (500, "paid")
    local.move(days=31)
    assert _again(local, made).latest_invoice.total == 1000
    with pytest.raises(stripe.InvalidRequestError, match="Only a paused"):
        local.v1.subscriptions.resume(made.id)


def test_a_resumption_waits_for_somebody_who_pays(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.pause(made.id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    with pytest.raises(stripe.InvalidRequestError, match="Only an active"):
        local.v1.subscriptions.pause(made.id)
    first = local.v1.subscriptions.resume(made.id, {"expand": ["latest_invoice"]})
    assert (first.status, first.latest_invoice.status) == ("paused", "open")
    local.move(hours=23)
    assert _again(local, made).latest_invoice.status == "void"
    assert _again(local, made).status == "paused"
    second = local.v1.subscriptions.resume(made.id)
    local.v1.invoices.pay(second.latest_invoice)
    assert _again(local, made).status == "active"


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("resume_on_payment_success", "paused"), ("resume_on_payment_attempt", "past_due")],
)
def test_a_resumption_that_is_not_paid(local: LocalStripe, behaviour: str, status: str) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.pause(made.id)
    bad = local.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": made.customer})
    local.v1.subscriptions.update(made.id, {"default_payment_method": bad.id})
    local.move(days=35)
    # The credit of the pause would pay for it otherwise.
    local.v1.subscriptions.update(
        made.id, {"items": [{"id": made["items"].data[0].id, "quantity": 3}]}
    )
    resumed = local.v1.subscriptions.resume(made.id, {"payment_behavior": behaviour})
    if behaviour == "resume_on_payment_attempt":
        with pytest.raises(stripe.CardError):
            local.v1.invoices.pay(resumed.latest_invoice)
    assert _again(local, made).status == status
    good = local.v1.payment_methods.attach("pm_card_visa", {"customer": made.customer})
    local.v1.subscriptions.update(made.id, {"default_payment_method": good.id})
    if behaviour == "resume_on_payment_attempt":
        local.v1.invoices.pay(resumed.latest_invoice)
    local.move(days=2)
    assert _again(local, made).status == "active"


@pytest.mark.parametrize(
    ("proration", "total"), [("create_prorations", None), ("none", None), ("always_invoice", 500)]
)
def test_resuming_within_the_old_cycle(
    local: LocalStripe, proration: str, total: int | None
) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.pause(
        made.id,
        {"invoicing_behavior": "invoice", "bill_for": {"unused_time_from": {"type": "none"}}},
    )
    local.move(days=45)
    resumed = local.v1.subscriptions.resume(
        made.id,
        {
            "billing_cycle_anchor": {"type": "unchanged"},
            "payment_behavior": "resume_on_payment_success",
            "proration_behavior": proration,
        },
    )
    item = resumed["items"].data[0]
    start = made.billing_cycle_anchor + 30 * DAY
    assert resumed.status == "active"
    assert (item.current_period_start, item.current_period_end) == (start, start + 30 * DAY)
    newest = _again(local, made).latest_invoice
    if total is None:
        assert newest.id == made.latest_invoice
    else:
        assert (newest.total, newest.status) == (total, "paid")
    local.move(days=15, hours=1)
    expected = 1500 if proration == "create_prorations" else 1000
    assert _again(local, made).latest_invoice.total == expected


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("create_invoice", "past_due"), ("pause", "paused"), ("cancel", "canceled")],
)
def test_a_trial_without_a_card_ends_as_agreed(
    local: LocalStripe, behaviour: str, status: str
) -> None:
    settings = {"end_behavior": {"missing_payment_method": behaviour}}
    made = _subscribed(local, None, trial_period_days=7, trial_settings=settings)
    assert made.trial_settings.end_behavior.missing_payment_method == behaviour
    local.move(days=7, hours=1)
    over = _again(local, made)
    assert over.status == status
    if behaviour == "pause":
        reason = over.status_details.paused.subscription.type
        assert reason == "trial_end_without_payment_method"
        assert over.latest_invoice.total == 0
        card = local.v1.payment_methods.attach("pm_card_visa", {"customer": made.customer})
        local.v1.subscriptions.update(made.id, {"default_payment_method": card.id})
        resume = {"payment_behavior": "resume_on_payment_success"}
        assert local.v1.subscriptions.resume(made.id, resume).status == "active"
        assert _again(local, made).latest_invoice.amount_paid == 1000


def test_what_a_trial_s_end_brings_can_be_changed(local: LocalStripe) -> None:
    made = _subscribed(local, None, trial_period_days=7)
    cancel = {"end_behavior": {"missing_payment_method": "cancel"}}
    local.v1.subscriptions.update(made.id, {"trial_settings": cancel})
    local.move(days=7)
    assert _again(local, made).status == "canceled"


@pytest.mark.parametrize(
    ("terms", "total", "balance"),
    [({"prorate": True, "invoice_now": True}, -500, -500), ({"prorate": True}, 1000, 0)],
)
def test_an_end_with_credit_for_the_rest(
    local: LocalStripe, terms: dict[str, bool], total: int, balance: int
) -> None:
    made = _subscribed(local)
    local.move(days=15)
    ended = local.v1.subscriptions.cancel(made.id, {**terms, "expand": ["latest_invoice"]})
    assert (ended.status, ended.latest_invoice.total) == ("canceled", total)
    assert local.v1.customers.retrieve(made.customer).balance == balance


def test_a_deleted_customers_subscriptions_end_at_once(local: LocalStripe) -> None:
    made = _subscribed(local)
    local.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    local.v1.customers.delete(made.customer)
    assert len(local.said("customer.deleted")) == 1
    assert len(local.said("customer.subscription.deleted")) == 1
    ended = local.v1.subscriptions.retrieve(made.id, {"expand": ["customer"]})
    assert (ended.status, ended.ended_at) == ("canceled", local.now)
    assert ended.customer.deleted
    assert len(local.v1.charges.list({"customer": made.customer}).data) == 1
    [kept] = local.v1.subscriptions.list({"customer": made.customer, "status": "all"}).data
    assert kept.id == made.id
    local.move(days=60)
    assert len(local.v1.charges.list({"customer": made.customer}).data) == 1


def test_the_period_that_an_instant_lies_in() -> None:
    anchor = 1_000_000
    assert previous_boundary(anchor, "day", 1, anchor) == anchor
    assert previous_boundary(anchor, "day", 1, anchor + 3 * DAY - 1) == anchor + 2 * DAY
    assert previous_boundary(anchor, "week", 2, anchor + 14 * DAY + HOUR) == anchor + 14 * DAY
