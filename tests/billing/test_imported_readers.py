"""Imported subscribers: whose the subscription is once somebody signs in, and what never ends it."""

from datetime import timedelta

from sqlalchemy import select

from service.account.merge import verified_account
from service.account.take_over import offered_purchases, take_over
from service.billing.import_subscribers import Import, import_subscribers
from service.db.tables import Mail, Reader, Subscription
from service.identity.callers import LiveSession
from service.identity.email import checked_address
from tests.billing.desk import Desk
from tests.databases import on_sqlite

ANA = "ana@example.org"


def at_stripe(desk: Desk, email: str = ANA, card: str = "pm_card_visa", **fields: object) -> str:
    """A subscription of somebody whom only Stripe knows."""
    return desk.subscribe(desk.stripe.customers.create({"email": email}).id, card, **fields)


async def bring_in(desk: Desk) -> None:
    await import_subscribers(
        Import(desk.context, desk.gateway, {}, is_dry=False, actor="test", pauses=())
    )


async def sign_in(desk: Desk, *buyers: str, email: str = ANA) -> str:
    async with desk.database.transaction() as session:
        return (await verified_account(session, checked_address(email), buyers, desk.clocks)).id


async def offered(desk: Desk, reader_id: str) -> list[str]:
    async with desk.database.reading() as session:
        account = await session.get_one(Reader, reader_id)
        return [each.id for each in await offered_purchases(session, account)]


@on_sqlite
async def test_who_signs_in_with_the_address_has_all_that_was_imported_with_it(desk: Desk) -> None:
    first, second = at_stripe(desk), at_stripe(desk, "Ana@Example.org")
    others = at_stripe(desk, "bo@example.org")
    await bring_in(desk)
    reader = await sign_in(desk)
    for mine in (first, second):
        assert (await desk.row(mine)).reader_id == reader
        assert await desk.is_open(mine)
    assert (await desk.row(others)).reader_id != reader
    await desk.hear()
    # Both go on: that somebody pays twice there is the newsroom's to settle.
    assert {desk.status(each) for each in (first, second)} == {"active"}


@on_sqlite
async def test_an_account_that_is_signed_in_already_may_take_it_over(desk: Desk) -> None:
    reader = await sign_in(desk)
    ours = at_stripe(desk)
    await bring_in(desk)
    (waiting,) = await offered(desk, reader)
    assert (await desk.row(ours)).reader_id == waiting
    caller = LiveSession(reader_id=reader, session_id="ses_1", verified=True)
    await take_over(desk.context, caller, waiting)
    assert (await desk.row(ours)).reader_id == reader
    assert await offered(desk, reader) == []


@on_sqlite
async def test_what_was_bought_here_and_what_was_imported_both_go_on(desk: Desk) -> None:
    ours = at_stripe(desk)
    desk.travel(days=3)
    reader, customer = await desk.reader()
    await sign_in(desk, reader)
    bought = desk.subscribe(customer)
    await desk.hear()
    await bring_in(desk)
    assert await sign_in(desk) == reader
    await desk.hear()
    assert (desk.status(ours), desk.status(bought)) == ("active", "active")
    assert not desk.stripe.refunds.list({}).data
    # A further one, bought here afterwards, is one too many as ever.
    desk.travel(days=1)
    twice = desk.subscribe(customer)
    await desk.hear()
    assert (desk.status(twice), desk.status(ours)) == ("canceled", "active")


@on_sqlite
async def test_a_trial_or_a_refund_of_before_ends_nothing(desk: Desk) -> None:
    settings = desk.settings.model_copy(update={"refund_policy": "cancel"})
    desk.settings = settings
    first = at_stripe(desk, trial_period_days=30)
    second = at_stripe(desk, "bo@example.org", trial_period_days=30)
    refunded = at_stripe(desk, "cleo@example.org")
    desk.stripe.refunds.create({"payment_intent": desk.payment(refunded)})
    desk.travel(days=1)
    await bring_in(desk)
    await desk.hear()
    assert [desk.status(each) for each in (first, second, refunded)] == [
        "trialing", "trialing", "active",
    ]  # fmt: skip
    assert [await desk.is_open(each) for each in (first, second, refunded)] == [True, True, False]
    # Paid for again, it opens again.
    desk.travel(days=31)
    await desk.hear()
    assert await desk.is_open(refunded)


@on_sqlite
async def test_life_goes_on_with_its_mails(desk: Desk) -> None:
    desk.settings = desk.settings.model_copy(update={"mail_from": "a@example.org"})
    ours, owing = at_stripe(desk), at_stripe(desk, "bo@example.org")
    card = desk.stripe.payment_methods.attach(
        "pm_card_chargeCustomerFail",
        {"customer": (desk.stripe.subscriptions.retrieve(owing)).customer},
    )
    desk.stripe.subscriptions.update(owing, {"default_payment_method": card.id})
    desk.travel(days=25)
    await bring_in(desk)
    await desk.hear()
    async with desk.database.reading() as session:
        assert list(await session.scalars(select(Mail))) == []
    desk.travel(days=8)
    await desk.hear()
    async with desk.database.reading() as session:
        mails = {(each.recipient, each.kind) for each in await session.scalars(select(Mail))}
    assert mails == {(ANA, "receipt"), ("bo@example.org", "payment-failed")}
    (row,) = [await desk.row(ours)]
    assert row.imported_at is not None
    assert row.imported_at + timedelta(days=9) > desk.clocks.business()


@on_sqlite
async def test_a_subscription_that_is_made_afterwards_is_an_ordinary_one(desk: Desk) -> None:
    customer = desk.stripe.customers.create({"email": ANA}).id
    desk.stripe.subscriptions.cancel(desk.subscribe(customer))
    desk.travel(days=1)
    await bring_in(desk)
    desk.travel(days=1)
    later = desk.subscribe(customer)
    await desk.hear()
    async with desk.database.reading() as session:
        found = {each.id: each.imported_at for each in await session.scalars(select(Subscription))}
    assert found.pop(later) is None
    assert all(found.values())
