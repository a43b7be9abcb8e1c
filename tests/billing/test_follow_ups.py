"""What is to follow at Stripe: done once, through kills and refusals, and only while it is needed."""

from typing import Any

import pytest

from service.billing.follow_ups import CANCEL, SYNC, ask_sync
from service.jobs.queue import claim_next, finish
from service.payments.gateway import StripeSubscription
from tests.billing.desk import Desk
from tests.databases import on_sqlite


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


@pytest.mark.parametrize(
    ("database_url", "call"),
    [("sqlite", "cancel_subscription"), ("postgresql", "refund")],
    indirect=["database_url"],
)
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
