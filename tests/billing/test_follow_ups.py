"""Refunds, disputes, used trials and second subscriptions: what follows for access and at Stripe."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from service.account.merge import verified_account
from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.follow_ups import CANCEL, SYNC, ask_sync
from service.billing.inbox import store_event
from service.db.session import Database
from service.db.tables import DomainEvent, Mail
from service.identity.email import checked_address
from service.jobs.queue import claim_next, finish
from service.payments.gateway import StripeSubscription
from service.settings import Settings
from tests.billing.desk import Desk, Order, as_it_was, backwards, desk_on
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

EITHER_WAY = pytest.mark.parametrize("order", [as_it_was, backwards])


@pytest.fixture
async def desk(database: Database, settings: Settings, clocks: MovingClocks) -> AsyncIterator[Desk]:
    async with desk_on(database, settings, clocks) as made:
        yield made


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
    _, first = await desk.reader()
    reader, second = await desk.reader()
    kept = desk.subscribe(first)
    desk.travel(minutes=1)
    twice = desk.subscribe(second)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "active")
    async with desk.database.transaction() as session:
        await verified_account(session, checked_address("ana@example.org"), reader, desk.clocks)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "canceled")
    assert len(desk.stripe.refunds.list({}).data) == 1


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """Stripe answers, and then the process dies: once, at the call of this name."""

    def __init__(self, gateway: Any, call: str) -> None:
        self.gateway, self.call, self.struck = gateway, call, False

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self.gateway, name)
        if name != self.call or self.struck:
            return asked
        self.struck = True

        async def answer(*args: object, **named: object) -> StripeSubscription:
            await asked(*args, **named)
            raise Killed

        return answer


class Unwilling:
    """Stripe refuses to end a subscription, which the gateway answers as it is."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(
            self.gateway, "retrieve_subscription" if name == "cancel_subscription" else name
        )


@pytest.mark.parametrize("call", ["cancel_subscription", "refund"])
async def test_killed_in_between_it_is_done_once(desk: Desk, call: str) -> None:
    _, customer = await desk.reader()
    kept, twice = desk.subscribe(customer), None
    desk.travel(minutes=1)
    twice = desk.subscribe(customer)
    dying = Dying(desk.gateway, call)
    with pytest.raises(Killed):
        await desk.hear(gateway=dying)
    assert dying.struck
    desk.travel(minutes=1)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "canceled")
    assert [each.amount for each in desk.stripe.refunds.list({}).data] == [900]
    assert {each.status for each in await desk.jobs("stripe-cancel")} == {"done"}


@on_sqlite
async def test_what_stripe_doesnt_end_is_tried_again(desk: Desk) -> None:
    _, customer = await desk.reader()
    desk.subscribe(customer)
    desk.travel(minutes=1)
    twice = desk.subscribe(customer)
    await desk.hear(gateway=Unwilling(desk.gateway))
    (job,) = await desk.jobs(CANCEL)
    assert (job.status, job.attempts) == ("waiting", 1)
    assert job.result == "Stripe doesn't end it: it is active still."
    desk.travel(minutes=1)
    await desk.hear()
    assert desk.status(twice) == "canceled"


@on_sqlite
async def test_a_second_one_by_debit_is_given_back_when_its_money_has_come(desk: Desk) -> None:
    _, customer = await desk.reader()
    kept = desk.subscribe(customer)
    desk.at_stripe.simulator.world.set_debit_start("active")
    debit: Any = desk.stripe.payment_methods.create(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": "DE89370400440532013000"},
            "billing_details": {"name": "Ana", "email": "ana@example.org"},
        }
    )
    desk.travel(minutes=1)
    twice = desk.subscribe(customer, debit.id)
    await desk.hear()
    assert (desk.status(kept), desk.status(twice)) == ("active", "canceled")
    assert not desk.stripe.refunds.list({}).data
    for _ in range(6):
        desk.travel(days=1)
        await desk.hear()
    paid = desk.payment(twice)
    (refund,) = desk.stripe.refunds.list({}).data
    assert (refund.payment_intent, refund.amount) == (paid, 900)


async def test_what_is_asked_for_while_it_is_done_is_done_again(desk: Desk) -> None:
    async def ask() -> None:
        async with desk.database.transaction() as session:
            await ask_sync(session, "sub_1", desk.clocks)

    await ask()
    claimed = await claim_next(desk.database, [SYNC], desk.clocks.wall())
    assert claimed is not None
    await ask()
    await finish(desk.database, claimed, result="synced", now=desk.clocks.wall())
    (job,) = await desk.jobs(SYNC)
    assert (job.status, job.lease, job.attempts) == ("waiting", None, 0)


@on_sqlite
async def test_what_isnt_necessary_any_more_isnt_done(desk: Desk) -> None:
    _, customer = await desk.reader()
    kept = desk.subscribe(customer)
    await desk.hear()
    desk.travel(minutes=1)
    twice = desk.subscribe(customer)
    # The one that was to be kept is over at Stripe when the other is heard of.
    desk.stripe.subscriptions.cancel(kept)
    await desk.hear(lambda events: [each for each in events if each.subscription_id == twice])
    assert (desk.status(kept), desk.status(twice)) == ("canceled", "active")
    assert await desk.is_open(twice)
    (job,) = await desk.jobs("stripe-cancel")
    assert job.result == "not necessary any more"
    assert not desk.stripe.refunds.list({}).data


@on_sqlite
async def test_a_customer_deleted_at_stripe_ends_what_it_paid_for(desk: Desk) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    await desk.hear()
    desk.stripe.customers.delete(customer)
    await desk.hear(lambda events: [each for each in events if each.type == "customer.deleted"])
    assert (await desk.row(subscription)).status == "canceled"
    assert not await desk.is_open(subscription)


@on_sqlite
async def test_months_are_told_alike_whether_heard_in_time_or_afterwards(desk: Desk) -> None:
    _, first = await desk.reader()
    _, second = await desk.reader("bo@example.org")
    early, late = desk.subscribe(first), desk.subscribe(second)

    async def hear_of(subscription: str) -> None:
        await desk.hear(
            lambda all_: [each for each in all_ if each.subscription_id == subscription]
        )

    for _ in range(3):
        await hear_of(early)
        desk.travel(days=31)
    for each in (early, late):
        desk.stripe.subscriptions.update(each, {"cancel_at_period_end": True})
    await hear_of(early)
    desk.travel(days=31)
    await hear_of(early)
    desk.heard.clear()
    await desk.hear(backwards)

    async def dated(subscription: str) -> list[tuple[str, str]]:
        return [(each.type, f"{each.occurred_at}") for each in await desk.ledger(subscription)]

    told = await dated(early)
    assert told == await dated(late)
    kinds = [kind.removeprefix("subscription.") for kind, _ in told]
    assert kinds == ["started", *["renewed"] * 3, "cancel_scheduled", "ended"]
    await apply_due_events(desk.context, desk.gateway)
    assert await dated(late) == told


@on_sqlite
async def test_what_was_sold_before_there_was_a_ledger_is_told_from_now_on(desk: Desk) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    desk.travel(days=40)
    await desk.hear()
    async with desk.database.transaction() as session:
        await session.execute(delete(DomainEvent))
    desk.travel(days=1)
    desk.stripe.subscriptions.update(subscription, {"cancel_at_period_end": True})
    await desk.hear()
    desk.travel(days=40)
    await desk.hear()
    assert await desk.told(subscription) == ["cancel_scheduled", "ended"]


@on_sqlite
async def test_readers_are_mailed_once_and_not_of_what_is_long_past(desk: Desk) -> None:
    desk.settings = desk.settings.model_copy(update={"mail_from": "hello@example.org"})
    _, customer = await desk.reader()
    owing = desk.subscribe(customer, "pm_card_chargeCustomerFail", trial_period_days=5)
    await desk.hear(backwards)
    desk.travel(days=3)
    await desk.hear(backwards)
    desk.travel(days=3)
    await desk.hear(backwards)
    desk.stripe.subscriptions.cancel(owing)
    await desk.hear()
    desk.heard.clear()
    await desk.hear(backwards)
    _, late = await desk.reader("bo@example.org")
    bought = desk.subscribe(late)
    desk.travel(days=63)
    await desk.hear()
    desk.stripe.refunds.create({"payment_intent": desk.payment(bought)})
    await desk.hear()
    async with desk.database.reading() as session:
        mails = [
            (each.kind, each.recipient)
            for each in await session.scalars(select(Mail).order_by(Mail.created_at, Mail.id))
        ]
    assert sorted(mails) == sorted([
        ("welcome", "ana@example.org"), ("trial-ending", "ana@example.org"),
        ("payment-failed", "ana@example.org"), ("cancelled", "ana@example.org"),
        ("receipt", "bo@example.org"), ("refund", "bo@example.org"),
    ])  # fmt: skip
