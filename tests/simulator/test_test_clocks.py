"""Test clocks: customers who live in a time of their own."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stripe

from service.simulator.periods import DAY, HOUR
from service.simulator.store import Store
from tests.simulator.local import LocalStripe

JANUARY = int(datetime(2030, 1, 31, 12, tzinfo=UTC).timestamp())


def _clock(local: LocalStripe, at: int = JANUARY) -> Any:
    return local.v1.test_helpers.test_clocks.create({"frozen_time": at, "name": "Leap"})


def _advance(local: LocalStripe, clock: Any, to: int) -> Any:
    """Move a clock and wait until it is there."""
    begun = local.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": to})
    assert begun.status == "advancing"
    assert begun.status_details.advancing.target_frozen_time == to
    there = local.v1.test_helpers.test_clocks.retrieve(clock.id)
    assert (there.status, there.frozen_time) == ("ready", to)
    local.deliver()
    return there


def _subscribe(local: LocalStripe, customer: Any, **fields: Any) -> Any:
    return local.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": local.price().id}], **fields}
    )


def test_a_clock_drives_its_customers_alone(local: LocalStripe) -> None:
    clock = _clock(local)
    customer = local.customer(test_clock=clock.id)
    mine, other = _subscribe(local, customer), local.subscribe()
    assert (mine.created, mine.test_clock, customer.test_clock) == (JANUARY, clock.id, clock.id)
    [item] = mine["items"].data
    assert datetime.fromtimestamp(item.current_period_end, UTC).date().isoformat() == "2030-02-28"
    now = local.now
    _advance(local, clock, JANUARY + 28 * DAY + HOUR)
    renewed = local.v1.subscriptions.retrieve(mine.id, {"expand": ["latest_invoice", "test_clock"]})
    assert (renewed.latest_invoice.status, renewed.latest_invoice.test_clock) == ("paid", clock.id)
    assert renewed.latest_invoice.created == JANUARY + 28 * DAY
    assert renewed.test_clock.frozen_time == JANUARY + 28 * DAY + HOUR
    assert local.now == now
    assert local.v1.subscriptions.retrieve(other.id).latest_invoice == other.latest_invoice
    assert {event["created"] for event in local.receiver.events} == {now}
    kinds = [kind.rpartition(".")[2] for kind in local.receiver.types if "test_clock" in kind]
    assert sorted(kinds) == ["advancing", "created", "ready"]
    local.move(days=40)
    assert local.v1.subscriptions.retrieve(other.id).latest_invoice != other.latest_invoice
    assert local.v1.invoices.list({"subscription": mine.id, "limit": 3}).data[0].id == (
        renewed.latest_invoice.id
    )


def test_dunning_and_an_end_follow_the_clock(local: LocalStripe) -> None:
    clock = _clock(local)
    customer = local.customer("pm_card_chargeCustomerFail", test_clock=clock.id)
    late = _subscribe(local, customer, trial_period_days=3)
    _advance(local, clock, JANUARY + 4 * DAY)
    assert local.v1.subscriptions.retrieve(late.id).status == "past_due"
    _advance(local, clock, JANUARY + 18 * DAY)
    ended = local.v1.subscriptions.retrieve(late.id)
    assert (ended.status, ended.ended_at) == ("canceled", JANUARY + 3 * DAY + HOUR + 14 * DAY)
    card = local.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}).id
    leaving = _subscribe(local, customer, default_payment_method=card)
    local.v1.subscriptions.update(leaving.id, {"cancel_at_period_end": True})
    _advance(local, clock, leaving["items"].data[0].current_period_end)
    assert local.v1.subscriptions.retrieve(leaving.id).status == "canceled"


def test_a_session_and_the_portal_follow_the_clock_of_their_customer(local: LocalStripe) -> None:
    clock = _clock(local)
    customer = local.customer(None, test_clock=clock.id)
    session = local.session(customer=customer.id)
    assert session.created == JANUARY
    paid = local.pay(session)
    assert paid.status_code == 200, paid.text
    bought = local.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (bought.subscription.start_date, bought.subscription.test_clock) == (JANUARY, clock.id)
    portal = local.v1.billing_portal.sessions.create({"customer": customer.id})
    leave = {"subscription": bought.subscription.id, "action": "cancel"}
    path = portal.url.removeprefix(local.url)
    assert local.browser.post(path, data=leave).status_code == 303
    end = local.v1.subscriptions.retrieve(bought.subscription.id).cancel_at
    assert end > JANUARY
    local.move(days=29)
    assert local.v1.subscriptions.retrieve(bought.subscription.id).status == "active"
    clock = _advance(local, clock, end)
    assert local.v1.subscriptions.retrieve(bought.subscription.id).status == "canceled"


def test_a_dispute_of_a_clocks_customer_needs_no_advance(local: LocalStripe) -> None:
    clock = _clock(local)
    customer = local.customer("pm_card_createDispute", test_clock=clock.id)
    _subscribe(local, customer)
    [charge] = local.v1.charges.list({"customer": customer.id}).data
    [dispute] = local.v1.disputes.list({"charge": charge.id}).data
    assert dispute.status == "needs_response"


def test_what_follows_a_clock_is_listed_apart(local: LocalStripe) -> None:
    clock = _clock(local)
    customer = local.customer(test_clock=clock.id)
    mine, other = _subscribe(local, customer), local.subscribe()
    v1 = local.v1
    assert [found.id for found in v1.customers.list().data] == [other.customer]
    assert [found.id for found in v1.customers.list({"test_clock": clock.id}).data] == [customer.id]
    assert [found.id for found in v1.subscriptions.list().data] == [other.id]
    for wanted in ({"test_clock": clock.id}, {"customer": customer.id}):
        assert [found.id for found in v1.subscriptions.list(wanted).data] == [mine.id]
    for _ in range(2):
        local.customer(None, test_clock=clock.id)
    with pytest.raises(stripe.InvalidRequestError, match="at most 3 customers"):
        local.customer(None, test_clock=clock.id)


def test_a_clock_takes_its_customers_with_it(local: LocalStripe) -> None:
    v1, clock = local.v1, _clock(local)
    customer = local.customer(test_clock=clock.id)
    mine = _subscribe(local, customer)
    assert [found.id for found in v1.test_helpers.test_clocks.list().data] == [clock.id]
    assert v1.test_helpers.test_clocks.delete(clock.id).deleted
    assert v1.customers.retrieve(customer.id).deleted
    assert v1.subscriptions.retrieve(mine.id).status == "canceled"
    assert v1.test_helpers.test_clocks.list().data == []
    for act in (
        v1.test_helpers.test_clocks.retrieve,
        v1.test_helpers.test_clocks.delete,
    ):
        with pytest.raises(stripe.InvalidRequestError):
            act(clock.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.customer(None, test_clock=clock.id)
    assert refused.value.param == "test_clock"
    local.deliver()
    assert {"test_helpers.test_clock.deleted", "customer.deleted"} <= set(local.receiver.types)
    old = _clock(local)
    local.move(days=30)
    with pytest.raises(stripe.InvalidRequestError):
        v1.test_helpers.test_clocks.retrieve(old.id)


def test_how_far_a_clock_moves(local: LocalStripe) -> None:
    clocks, clock = local.v1.test_helpers.test_clocks, _clock(local)
    for wanted in (-1, 10**15):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            clocks.create({"frozen_time": wanted})
        assert refused.value.param == "frozen_time"
    two_years = int(datetime(2032, 1, 31, 12, tzinfo=UTC).timestamp())
    for wanted in (JANUARY, JANUARY - 1, two_years + 1):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            clocks.advance(clock.id, {"frozen_time": wanted})
        assert refused.value.param == "frozen_time"
    _subscribe(local, local.customer(test_clock=clock.id))
    with pytest.raises(stripe.InvalidRequestError, match="2030-03-31T12:00"):
        clocks.advance(clock.id, {"frozen_time": JANUARY + 60 * DAY})
    for act in (clocks.create, lambda values: clocks.advance(clock.id, values)):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act({})
        assert refused.value.param == "frozen_time"


def test_a_file_from_before_test_clocks_opens(tmp_path: Path) -> None:
    path = tmp_path / "stripe.sqlite3"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE agenda (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
            " action TEXT NOT NULL, subject TEXT NOT NULL)"
        )
        old.execute("INSERT INTO agenda (at, action, subject) VALUES (5, 'session.expire', 'cs')")
    store = Store(path)
    due = store.take_due(9)
    store.close()
    assert due is not None
    assert (due.at, due.action, due.subject) == (5, "session.expire", "cs")
