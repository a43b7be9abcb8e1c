"""A renewal whose webhooks are lost: Stripe is asked before the slack ends, and not all the time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from service.billing.late_renewals import sync_late_renewals
from service.payments.gateway import Gateway, StripeSubscription
from tests.billing.desk import Desk
from tests.databases import on_sqlite

DAY = timedelta(days=1)


async def subscribed(desk: Desk, **fields: Any) -> str:
    """A subscription whose beginning was heard of; the last that is."""
    _, customer = await desk.reader()
    made = desk.subscribe(customer, **fields)
    await desk.hear()
    assert await desk.is_open(made)
    return made


async def asked(desk: Desk) -> int:
    """How many subscriptions Stripe is asked for now."""
    return await sync_late_renewals(desk.context, desk.gateway)


async def test_a_renewal_that_nobody_told_of_is_found(desk: Desk) -> None:
    subscription = await subscribed(desk)
    assert await asked(desk) == 0
    desk.travel(days=31)
    assert await asked(desk) == 1
    found = await desk.row(subscription)
    assert found.current_period_end > desk.clocks.business() + 25 * DAY
    assert await asked(desk) == 0
    desk.travel(days=27)
    assert await desk.is_open(subscription)


@on_sqlite
async def test_an_end_that_nobody_told_of_closes_at_once(desk: Desk) -> None:
    subscription = await subscribed(desk)
    end = int((await desk.row(subscription)).current_period_end.timestamp())
    world = desk.at_stripe.simulator.world
    with world.transaction():
        world.update(world.fetch("subscription", subscription), {"cancel_at": end})
        world.schedule(end, "subscription.cancel", subscription)
    desk.travel(days=32)
    assert await desk.is_open(subscription)
    assert await asked(desk) == 1
    assert (await desk.row(subscription)).status == "canceled"
    assert not await desk.is_open(subscription)


@on_sqlite
async def test_while_nothing_new_is_known_it_asks_hourly(desk: Desk) -> None:
    subscription = await subscribed(desk)
    world = desk.at_stripe.simulator.world
    world.handlers = {name: lambda *_: None for name in world.handlers}
    desk.travel(days=31)
    assert [await asked(desk), await asked(desk)] == [1, 0]
    desk.travel(hours=1)
    assert [await asked(desk), await asked(desk)] == [1, 0]
    assert await desk.is_open(subscription)
    desk.travel(days=2)
    assert not await desk.is_open(subscription)


@on_sqlite
async def test_a_trial_that_ends_soon_is_looked_at_once(desk: Desk) -> None:
    subscription = await subscribed(desk, trial_period_days=14)
    desk.travel(days=10)
    assert await asked(desk) == 0
    desk.travel(days=2)
    assert [await asked(desk), await asked(desk)] == [1, 0]
    assert (await desk.told(subscription)).count("trial_will_end") == 1


@on_sqlite
async def test_what_stripe_refuses_doesnt_stay_first_in_line(desk: Desk) -> None:
    """Another account's, since the key was changed: asked for hourly, like the others."""
    subscription = await subscribed(desk)
    world = desk.at_stripe.simulator.world
    with world.transaction():
        world.store.unschedule(subscription)
        world.store.drop(subscription)
    desk.travel(days=31)
    assert [await asked(desk), await asked(desk)] == [1, 0]
    desk.travel(days=1)
    assert await asked(desk) == 1


class Garbles:
    """A gateway that hands one subscription out without its items."""

    def __init__(self, gateway: Gateway, subscription: str) -> None:
        self._gateway, self._subscription = gateway, subscription

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def retrieve_subscription(self, subscription_id: str) -> StripeSubscription:
        found = await self._gateway.retrieve_subscription(subscription_id)
        return replace(found, items=()) if subscription_id == self._subscription else found


@on_sqlite
async def test_one_that_cant_be_stored_holds_up_no_other(desk: Desk) -> None:
    odd = await subscribed(desk)
    _, customer = await desk.reader("ben@example.org")
    good = desk.subscribe(customer)
    await desk.hear()
    desk.travel(days=31, hours=1)
    gateway = cast("Gateway", Garbles(desk.gateway, odd))
    asked = [await sync_late_renewals(desk.context, gateway) for _ in range(2)]
    assert asked == [2, 0]
    now = desk.clocks.business()
    assert (
        (await desk.row(good)).current_period_end > now > (await desk.row(odd)).current_period_end
    )
