"""Used trials and second subscriptions: which one goes, and what is given back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from service.account.merge import verified_account
from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.inbox import store_event
from service.db.tables import Mail
from service.identity.email import checked_address
from service.reports.figures import exact_mrr
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


INTRO = "pw_intro_off_1_800eur_once"


def begin_intro(desk: Desk, customer: str, card: str = "pm_card_visa") -> str:
    """A month for €1 instead of €9, paid at once."""
    if not [each for each in desk.stripe.coupons.list({}).data if each.id == INTRO]:
        desk.stripe.coupons.create(
            {"id": INTRO, "amount_off": 800, "currency": "eur", "duration": "once"}
        )
    return desk.subscribe(customer, card, discounts=[{"coupon": INTRO}])


@on_sqlite
@EITHER_WAY
async def test_a_card_has_one_intro_price_for_all_readers(desk: Desk, order: Order) -> None:
    desk = replace(desk, settings=desk.settings.model_copy(update={"mail_from": "a@example.org"}))
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    _, innocent = await desk.reader("cleo@example.org")
    kept = begin_intro(desk, first)
    desk.travel(minutes=10)
    again = begin_intro(desk, second)
    own = begin_intro(desk, innocent, "pm_card_mastercard")
    paid = desk.payment(again)
    await desk.hear(order)
    # The abuser gets the money back, and reads no longer.
    assert desk.status(again) == "canceled"
    assert not await desk.is_open(again)
    refunds = desk.stripe.refunds.list({}).data
    assert [(each.payment_intent, each.amount) for each in refunds] == [(paid, 100)]
    (ended,) = [each for each in await desk.ledger(again) if each.type == "subscription.ended"]
    assert ended.after is not None
    assert ended.after["reason"] == "trial_used"
    assert await figures_of(desk) == {"EUR": 1800}
    assert await kinds_of_mail(desk, "bo@example.org") == {"trial-used", "refund"}
    # The first one, and a reader who shares nothing, keep theirs.
    for name in (kept, own):
        assert desk.status(name) == "active"
        assert await desk.is_open(name)
    assert await kinds_of_mail(desk, "cleo@example.org") == {"welcome"}
    # With the same card everybody may pay the usual price, and who had a trial gets no intro.
    assert await desk.is_open(await heard(desk, desk.subscribe(second)))
    _, trying = await desk.reader("dan@example.org")
    trial = desk.subscribe(trying, "pm_card_amex", trial_period_days=7)
    await desk.hear()
    desk.travel(minutes=1)
    _, other = await desk.reader("eve@example.org")
    assert not await desk.is_open(await heard(desk, begin_intro(desk, other, "pm_card_amex")))
    assert desk.status(trial) == "trialing"


@on_sqlite
async def test_a_card_that_is_changed_to_in_an_intro_takes_nobodys(desk: Desk) -> None:
    """The intro is that of the card that paid it, whatever card is given later."""
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    begin_intro(desk, first)
    own = begin_intro(desk, second, "pm_card_mastercard")
    await desk.hear()
    shared = desk.stripe.payment_methods.attach("pm_card_visa", {"customer": second})
    desk.stripe.subscriptions.update(own, {"default_payment_method": shared.id})
    await desk.hear()
    assert await desk.is_open(own)
    assert desk.status(own) == "active"


@on_sqlite
async def test_an_intro_that_was_let_pass_stays(desk: Desk) -> None:
    """As of the release before, or heard of after weeks: it was paid for, and nobody was told."""
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    begin_intro(desk, first)
    again = begin_intro(desk, second)
    desk.travel(days=8)
    await desk.hear()
    assert desk.status(again) == "active"
    assert await desk.is_open(again)


async def figures_of(desk: Desk) -> dict[str, int]:
    async with desk.database.reading() as session:
        return {currency: int(amount) for currency, amount in (await exact_mrr(session)).items()}


async def kinds_of_mail(desk: Desk, address: str) -> set[str]:
    async with desk.database.reading() as session:
        return set(await session.scalars(select(Mail.kind).where(Mail.recipient == address)))


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


@on_sqlite
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
