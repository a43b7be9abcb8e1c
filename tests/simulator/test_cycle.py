"""A subscription over the months: trials, renewals, dunning, cancellation, and the portal."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import stripe

from service.simulator.app import Rules
from service.simulator.periods import DAY, HOUR, after, next_boundary
from tests.conftest import MovingClocks
from tests.simulator.document import StripeDocument
from tests.simulator.local import FAILS_LATER, Host, LocalStripe, local_stripe


def _again(local: LocalStripe, subscription: Any) -> Any:
    return local.v1.subscriptions.retrieve(subscription.id)


def _end(subscription: Any) -> int:
    end: int = subscription["items"].data[0].current_period_end
    return end


def test_a_year_of_renewals(local: LocalStripe) -> None:
    subscription = local.subscribe()
    local.move(days=366)
    invoices = list(
        local.v1.invoices.list({"subscription": subscription.id, "limit": 5}).auto_paging_iter()
    )[::-1]
    assert len(invoices) == 13
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert [invoice.billing_reason for invoice in invoices][:2] == [
        "subscription_create",
        "subscription_cycle",
    ]
    assert len({invoice.number for invoice in invoices}) == 13
    lines = [invoice.lines.data[0].period for invoice in invoices]
    assert all(one.end == other.start for one, other in pairwise(lines))
    assert {datetime.fromtimestamp(line.start, UTC).day for line in lines} == {10}
    renewed = _again(local, subscription)
    assert (renewed.status, renewed.latest_invoice) == ("active", invoices[-1].id)
    assert lines[-1].end == _end(renewed)
    assert local.receiver.types.count("invoice.paid") == 13
    assert local.receiver.types.count("invoice.upcoming") == 12
    assert len({event["id"] for event in local.receiver.events}) == len(local.receiver.events)
    times = [event["created"] for event in local.receiver.events]
    assert times[0] < times[-1] <= local.now


def test_a_renewal_takes_an_hour(local: LocalStripe) -> None:
    subscription = local.subscribe()
    end = _end(subscription)
    local.move(seconds=end - local.now - 1)
    assert _again(local, subscription).latest_invoice == subscription.latest_invoice
    local.move(seconds=1)
    begun = _again(local, subscription)
    assert (begun.status, begun["items"].data[0].current_period_start) == ("active", end)
    invoice = local.v1.invoices.retrieve(begun.latest_invoice)
    assert (invoice.status, invoice.automatically_finalizes_at) == ("draft", end + HOUR)
    local.move(seconds=HOUR)
    assert local.v1.invoices.retrieve(begun.latest_invoice).status == "paid"


def test_time_that_simply_passes_renews_too(local: LocalStripe) -> None:
    subscription = local.subscribe()
    local.clocks.time = datetime.fromtimestamp(_end(subscription) + HOUR, UTC)
    renewed = _again(local, subscription)
    assert local.v1.invoices.retrieve(renewed.latest_invoice).status == "paid"


def test_one_long_jump_and_many_short_ones_come_to_the_same(
    host: Host, found_document: StripeDocument | None
) -> None:
    def story(steps: int) -> list[tuple[str, int]]:
        with local_stripe(host, MovingClocks(), found_document) as local:
            local.subscribe(local.price(interval="week"))
            for _ in range(steps):
                local.move(days=32 / steps)
            events = local.v1.events.list({"limit": 100}).auto_paging_iter()
            return [(event.type, event.created) for event in events]

    assert story(1) == story(8)


def test_a_trial_costs_nothing_and_then_renews(local: LocalStripe) -> None:
    start = local.now
    subscription = local.subscribe(subscription_data={"trial_period_days": 14})
    assert (subscription.status, subscription.trial_end) == ("trialing", start + 14 * DAY)
    assert local.v1.invoices.retrieve(subscription.latest_invoice).amount_due == 0
    [session] = local.v1.checkout.sessions.list({"subscription": subscription.id}).data
    assert (session.amount_total, session.payment_status) == (0, "no_payment_required")
    assert local.v1.payment_intents.list().data == []
    local.move(days=11)
    assert local.receiver.types.count("customer.subscription.trial_will_end") == 1
    local.move(days=3, hours=1)
    paying = _again(local, subscription)
    assert paying.status == "active"
    invoice = local.v1.invoices.retrieve(paying.latest_invoice)
    assert (invoice.status, invoice.amount_paid) == ("paid", 900)
    assert _end(paying) == after(start + 14 * DAY, "month", 1)


def test_dunning_tries_eight_times_in_two_weeks_and_ends(local: LocalStripe) -> None:
    subscription = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 7})
    local.move(days=7)
    assert _again(local, subscription).status == "active"
    first_try = local.move(hours=1)
    late = _again(local, subscription)
    assert late.status == "past_due"
    invoice = local.v1.invoices.retrieve(late.latest_invoice)
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == first_try + 2 * DAY
    local.move(days=13)
    assert _again(local, subscription).status == "past_due"
    assert local.v1.invoices.retrieve(invoice.id).attempt_count == 7
    local.move(days=1)
    ended = _again(local, subscription)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert ended.ended_at == first_try + 14 * DAY
    left = local.v1.invoices.retrieve(invoice.id)
    assert (left.status, left.attempt_count, left.next_payment_attempt) == ("open", 8, None)
    assert local.receiver.types.count("invoice.payment_failed") == 8
    assert local.receiver.types.count("customer.subscription.deleted") == 1
    assert {charge.status for charge in local.v1.charges.list().data} == {"failed"}
    local.move(days=100)
    assert local.receiver.types.count("invoice.payment_failed") == 8


def test_a_new_card_recovers_a_late_subscription(local: LocalStripe) -> None:
    subscription = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 7})
    local.move(days=8)
    late = _again(local, subscription)
    with pytest.raises(stripe.CardError) as refused:
        local.v1.invoices.pay(late.latest_invoice)
    assert refused.value.code == "card_declined"
    method = local.v1.payment_methods.attach("pm_card_visa", {"customer": late.customer})
    local.v1.subscriptions.update(late.id, {"default_payment_method": method.id})
    local.move(days=2)
    assert _again(local, subscription).status == "active"
    assert local.v1.invoices.retrieve(late.latest_invoice).status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="paid, not open"):
        local.v1.invoices.pay(late.latest_invoice)


@pytest.mark.parametrize(
    ("end", "status"), [("mark_unpaid", "unpaid"), ("leave_past_due", "past_due")]
)
def test_what_ends_dunning_is_a_setting(
    host: Host, found_document: StripeDocument | None, end: Any, status: str
) -> None:
    rules = Rules(dunning_end=end)
    with local_stripe(host, MovingClocks(), found_document, rules=rules) as local:
        subscription = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 7})
        local.move(days=23)
        late = _again(local, subscription)
        assert late.status == status
        local.move(days=31)
        assert _again(local, subscription).status == status
        method = local.v1.payment_methods.attach("pm_card_visa", {"customer": late.customer})
        newest = _again(local, subscription).latest_invoice
        if local.v1.invoices.retrieve(newest).status == "open":
            local.v1.invoices.pay(newest, {"payment_method": method.id})
            assert _again(local, subscription).status == "active"


def test_cancelling_at_the_periods_end_and_taking_it_back(local: LocalStripe) -> None:
    subscription = local.subscribe()
    end = _end(subscription)
    leaving = local.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (leaving.cancel_at_period_end, leaving.cancel_at) == (True, end)
    assert leaving.status == "active"
    back = local.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (back.cancel_at_period_end, back.cancel_at, back.canceled_at) == (False, None, None)
    local.move(days=32)
    assert _again(local, subscription).status == "active"
    local.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    local.move(days=32)
    ended = _again(local, subscription)
    assert (ended.status, ended.ended_at) == ("canceled", after(end, "month", 1))
    assert local.receiver.types.count("customer.subscription.deleted") == 1
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert refused.value.code == "resource_missing"
    assert local.v1.subscriptions.list({"customer": ended.customer}).data == []
    kept = local.v1.subscriptions.list({"customer": ended.customer, "status": "all"})
    assert [entry.id for entry in kept.data] == [subscription.id]


def test_an_end_in_the_middle_of_a_period(local: LocalStripe) -> None:
    subscription = local.subscribe()
    at = local.now + 5 * DAY
    local.v1.subscriptions.update(
        subscription.id,
        {"cancel_at": at, "cancellation_details": {"feedback": "unused", "comment": "Bye"}},
    )
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.subscriptions.update(subscription.id, {"cancel_at": at - 9 * DAY})
    local.move(days=6)
    ended = _again(local, subscription)
    assert (ended.status, ended.ended_at) == ("canceled", at)
    assert ended.cancellation_details.feedback == "unused"


def test_cancelling_at_once(local: LocalStripe) -> None:
    subscription = local.subscribe()
    ended = local.v1.subscriptions.cancel(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", local.now)
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.subscriptions.cancel(subscription.id)
    local.move(days=40)
    assert local.receiver.types.count("invoice.created") == 1


def test_a_subscription_without_checkout(local: LocalStripe) -> None:
    customer = local.customer()
    price = local.price(interval="year")
    made = local.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price.id, "quantity": 2}],
            "metadata": {"reader": "r1"},
        }
    )
    assert made.status == "active"
    [item] = local.v1.subscription_items.list({"subscription": made.id}).data
    assert (item.quantity, item.price.id) == (2, price.id)
    assert local.v1.invoices.retrieve(made.latest_invoice).total == 1800
    again = local.v1.subscription_items.list({"subscription": made.id, "starting_after": item.id})
    assert again.data == []


def test_a_first_payment_that_fails_leaves_it_incomplete_for_a_day(local: LocalStripe) -> None:
    customer = local.customer("pm_card_chargeCustomerFail")
    wanted = {"customer": customer.id, "items": [{"price": local.price().id}]}
    made = local.v1.subscriptions.create(wanted)
    assert made.status == "incomplete"
    with pytest.raises(stripe.CardError):
        local.v1.subscriptions.create({**wanted, "payment_behavior": "error_if_incomplete"})
    saved = local.v1.subscriptions.create(wanted)
    method = local.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    local.v1.invoices.pay(saved.latest_invoice, {"payment_method": method.id})
    assert _again(local, saved).status == "active"
    local.move(days=1)
    assert _again(local, made).status == "incomplete_expired"
    assert local.v1.invoices.retrieve(made.latest_invoice).status == "void"
    assert _again(local, saved).status == "active"


def test_the_portal_cancels_and_resumes_through_its_page(local: LocalStripe) -> None:
    subscription = local.subscribe()
    portal = local.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "return_url": "https://news.example/account"}
    )
    path = portal.url.removeprefix(local.url)
    page = local.browser.get(path)
    assert (page.status_code, "no real money" in page.text) == (200, True)
    assert "Digital" in page.text
    assert 'href="https://news.example/account"' in page.text
    choice = {"subscription": subscription.id, "action": "cancel"}
    assert local.browser.post(path, data=choice).status_code == 303
    leaving = _again(local, subscription)
    assert (leaving.cancel_at, leaving.cancel_at_period_end) == (_end(subscription), False)
    assert "Keep the subscription" in local.browser.get(path).text
    local.browser.post(path, data={**choice, "action": "resume"})
    assert _again(local, subscription).cancel_at is None
    local.deliver()
    changes = [
        event["data"]["previous_attributes"]["cancel_at"]
        for event in local.receiver.events
        if event["type"] == "customer.subscription.updated"
        and "cancel_at" in event["data"]["previous_attributes"]
    ]
    assert len(changes) == 2  # in whatever order they came
    assert set(changes) == {None, _end(subscription)}
    local.browser.post(path, data=choice)
    local.move(days=32)
    assert _again(local, subscription).status == "canceled"
    assert local.browser.post(path, data=choice).status_code == 404
    assert "no running subscription" in local.browser.get(path).text


def test_the_portal_is_for_one_customer(local: LocalStripe) -> None:
    mine = local.subscribe()
    other = local.subscribe()
    portal = local.v1.billing_portal.sessions.create({"customer": mine.customer})
    path = portal.url.removeprefix(local.url)
    for choice in (
        {"subscription": other.id, "action": "cancel"},
        {"subscription": "sub_none", "action": "cancel"},
        {"subscription": mine.id, "action": "refund"},
        {},
    ):
        assert local.browser.post(path, data=choice).status_code in {400, 404}
    assert _again(local, other).cancel_at is None
    assert local.browser.get("/portal/bps_none").status_code == 404
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.billing_portal.sessions.create(
            {"customer": mine.customer, "return_url": "javascript:alert(1)"}
        )
    assert refused.value.param == "return_url"
    [configuration] = local.v1.billing_portal.configurations.list({"is_default": True}).data
    assert local.v1.billing_portal.configurations.retrieve(configuration.id).is_default


def _at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "ends"),
    [
        (_at(2027, 1, 31), "month", 1, [_at(2027, 2, 28), _at(2027, 3, 31), _at(2027, 4, 30)]),
        (_at(2028, 2, 29), "year", 1, [_at(2029, 2, 28), _at(2030, 2, 28)]),
        (_at(2026, 11, 30), "month", 3, [_at(2027, 2, 28), _at(2027, 5, 30)]),
        (_at(2026, 12, 28), "week", 1, [_at(2027, 1, 4), _at(2027, 1, 11)]),
        (_at(2026, 12, 31), "day", 10, [_at(2027, 1, 10)]),
    ],
)
def test_periods_keep_the_anchors_day(
    anchor: int, interval: str, count: int, ends: list[int]
) -> None:
    reached = anchor
    for end in ends:
        reached = next_boundary(anchor, interval, count, reached)
        assert reached == end
