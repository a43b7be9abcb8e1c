"""Used trials and second subscriptions: which one goes, and what is given back."""

from datetime import timedelta

import pytest

from service.account.merge import verified_account
from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.inbox import store_event
from service.identity.email import checked_address
from tests.billing.desk import Desk, Order, as_it_was, backwards
from tests.databases import on_sqlite

EITHER_WAY = pytest.mark.parametrize("order", [as_it_was, backwards])


@on_sqlite
async def test_who_changes_to_a_card_takes_nobodys_trial(desk: Desk) -> None:
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    paying = desk.subscribe(first, "pm_card_pendingRefund", trial_period_days=1)
    await desk.hear()
    desk.travel(days=3)
    trying = desk.subscribe(second, trial_period_days=14)
    await desk.hear()
    shared = desk.stripe.payment_methods.attach("pm_card_visa", {"customer": first})
    desk.stripe.subscriptions.update(paying, {"default_payment_method": shared.id})
    await desk.hear()
    assert (desk.status(paying), desk.status(trying)) == ("active", "trialing")
    assert await desk.is_open(trying)


@on_sqlite
@EITHER_WAY
async def test_a_card_has_one_trial_for_all_readers(desk: Desk, order: Order) -> None:
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    kept = desk.subscribe(first, trial_period_days=14)
    desk.travel(hours=1)
    again = desk.subscribe(second, trial_period_days=14)
    await desk.hear(order)
    assert (desk.status(kept), desk.status(again)) == ("trialing", "canceled")
    assert await desk.is_open(kept)
    assert not await desk.is_open(again)
    (ended,) = [each for each in await desk.ledger(again) if each.type == "subscription.ended"]
    assert ended.after is not None
    assert ended.after["reason"] == "trial_used"
    # Without a trial they may subscribe, and a reader with another card may try.
    assert await desk.is_open(await heard(desk, desk.subscribe(second)))
    _, third = await desk.reader("cleo@example.org")
    fresh = desk.subscribe(third, "pm_card_pendingRefund", trial_period_days=14)
    assert await desk.is_open(await heard(desk, fresh))


async def heard(desk: Desk, subscription: str) -> str:
    await desk.hear()
    return subscription


@on_sqlite
@EITHER_WAY
async def test_of_two_subscriptions_the_later_goes_and_is_given_back(
    desk: Desk, order: Order
) -> None:
    reader, customer = await desk.reader()
    kept = desk.subscribe(customer)
    desk.travel(minutes=1)
    twice = desk.subscribe(customer)
    paid = desk.payment(twice)
    await desk.hear(order)
    assert (desk.status(kept), desk.status(twice)) == ("active", "canceled")
    assert await desk.is_open(kept)
    assert not await desk.is_open(twice)
    refunds = desk.stripe.refunds.list({}).data
    assert [(each.payment_intent, each.amount) for each in refunds] == [(paid, 900)]
    assert refunds[0].metadata["reason"] == "duplicate"
    told = await desk.ledger(twice)
    (ended,) = [each for each in told if each.type == "subscription.ended"]
    assert ended.after is not None
    assert ended.after["reason"] == "duplicate"
    assert [each.type for each in told].count("payment.refunded") == 1
    assert await desk.audited() == [
        ("system", "subscription.cancel", reader), ("system", "payment.refund", reader),
    ]  # fmt: skip
    desk.travel(days=40)
    await desk.hear(order)
    assert await desk.is_open(kept)


@on_sqlite
async def test_a_duplicates_refund_is_told_before_stripe_tells_of_it(desk: Desk) -> None:
    _, customer = await desk.reader()
    desk.subscribe(customer)
    desk.travel(minutes=1)
    twice = desk.subscribe(customer)
    since = desk.clocks.business() - timedelta(days=1)
    bought = [each async for each in desk.gateway.events(since=since, types=HANDLED)]
    async with desk.database.transaction() as session:
        for event in bought:
            if event.type == "customer.subscription.created":
                await store_event(session, event, desk.clocks.wall())
    # Stripe's events of the end and of the refund never arrive.
    while await apply_due_events(desk.context, desk.gateway):
        pass
    assert desk.status(twice) == "canceled"
    assert (await desk.told(twice)).count("payment.refunded") == 1


@on_sqlite
@EITHER_WAY
async def test_one_that_isnt_paid_yields_to_one_that_is(desk: Desk, order: Order) -> None:
    _, customer = await desk.reader()
    owing = desk.subscribe(customer, "pm_card_chargeCustomerFail", trial_period_days=1)
    await desk.hear(order)
    desk.travel(days=2)
    await desk.hear(order)
    assert (await desk.row(owing)).status == "past_due"
    assert (await desk.row(owing)).payment_problem == "card"
    bought = desk.subscribe(customer)
    await desk.hear(order)
    assert (desk.status(owing), desk.status(bought)) == ("canceled", "active")
    assert not desk.stripe.refunds.list({}).data
    assert await desk.is_open(bought)


async def test_accounts_that_turn_out_to_be_one_keep_one_subscription(desk: Desk) -> None:
    account, first = await desk.reader()
    reader, second = await desk.reader()
    kept = desk.subscribe(first)
    desk.travel(minutes=1)
    twice = desk.subscribe(second)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "active")
    async with desk.database.transaction() as session:
        address = checked_address("ana@example.org")
        await verified_account(session, address, [account], desk.clocks)
        await verified_account(session, address, [reader], desk.clocks)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "canceled")
    assert len(desk.stripe.refunds.list({}).data) == 1
