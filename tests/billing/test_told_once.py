"""Events and mails of a subscription's months: told alike whenever they are heard, and once."""

from sqlalchemy import delete, select

from service.billing.apply_event import apply_due_events
from service.db.tables import DomainEvent, Mail
from tests.billing.desk import Desk, backwards
from tests.databases import on_sqlite


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
