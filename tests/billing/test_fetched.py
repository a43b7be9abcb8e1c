"""Events that wait together are applied from one fetch; one that came later, or is tried again, from its own."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.inbox import JOB, replay_event, store_event
from service.payments.books import Booked
from service.payments.gateway import Gateway, StripeEvent, StripeSubscription
from tests.billing.desk import Desk
from tests.databases import on_sqlite

Meanwhile = Callable[[], Awaitable[None]]


class Watched:
    """A gateway that notes which subscriptions and which money it is asked for.

    `meanwhile` says what happens, once, after an object's answer was given and before it arrives.
    """

    def __init__(self, gateway: Gateway, **meanwhile: Meanwhile) -> None:
        self._gateway, self._meanwhile = gateway, meanwhile
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def retrieve_subscription(self, subscription_id: str) -> StripeSubscription:
        answer = await self._gateway.retrieve_subscription(subscription_id)
        await self._note(subscription_id)
        return answer

    async def booked(self, kind: Any, object_id: str) -> Booked | None:
        answer = await self._gateway.booked(kind, object_id)
        await self._note(object_id)
        return answer

    async def _note(self, object_id: str) -> None:
        self.asked.append(object_id)
        meanwhile = self._meanwhile.pop(object_id, None)
        if meanwhile is not None:
            await meanwhile()

    async def apply(self, desk: Desk) -> int:
        return await apply_due_events(desk.context, cast("Gateway", self))


async def told(desk: Desk) -> list[StripeEvent]:
    """What Stripe has to tell, the oldest first."""
    since = desk.clocks.business() - timedelta(days=1)
    return [each async for each in desk.gateway.events(since=since, types=HANDLED)][::-1]


async def store(desk: Desk, *events: StripeEvent) -> None:
    async with desk.database.transaction() as session:
        for event in events:
            await store_event(session, event, desk.clocks.wall())


async def results(desk: Desk) -> dict[str, tuple[str, str]]:
    """By event, its job's status and result."""
    return {each.key: (each.status, each.result) for each in await desk.jobs(JOB)}


async def test_events_that_wait_together_share_one_fetch(desk: Desk) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    desk.stripe.subscriptions.update(subscription, {"cancel_at_period_end": True})
    events = await told(desk)
    assert [each.subscription_id for each in events].count(subscription) > 2
    await store(desk, *events)
    watched = Watched(desk.gateway)
    assert await watched.apply(desk) == len(events)
    invoices = {each.object_id for each in events if each.type.startswith("invoice.")}
    charges = {each.object_id for each in events if each.type.startswith("charge.")}
    assert sorted(watched.asked) == sorted([subscription, *invoices, *charges])
    assert await results(desk) == {
        each.id: ("done", "synced" if each.subscription_id and HANDLED[each.type] != "money" else "booked")
        for each in events
    }  # fmt: skip
    assert (await desk.row(subscription)).cancel_at is not None


async def test_an_event_that_came_after_the_fetch_began_has_its_own(desk: Desk) -> None:
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    before = [each for each in await told(desk) if each.type == "customer.subscription.created"]
    await store(desk, *before)

    async def cancel() -> None:
        desk.stripe.subscriptions.update(subscription, {"cancel_at_period_end": True})
        changed = [
            each for each in await told(desk) if each.type == "customer.subscription.updated"
        ]
        await store(desk, changed[-1])

    watched = Watched(desk.gateway, **{subscription: cancel})
    assert await watched.apply(desk) == 2
    assert watched.asked == [subscription] * 2
    assert (await desk.row(subscription)).cancel_at is not None


@on_sqlite
async def test_an_event_that_is_replayed_has_its_own(desk: Desk) -> None:
    """Also within one round."""
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    events = [each for each in await told(desk) if HANDLED[each.type] == "subscription"]
    (paid,) = [each for each in events if each.type == "invoice.paid"]
    await store(desk, *events)

    async def replay() -> None:
        """While it is applied: its worker loses the job, and the round goes on to it again."""
        async with desk.database.transaction() as session:
            await replay_event(session, paid.id, desk.clocks.wall())

    watched = Watched(desk.gateway, **{paid.object_id: replay})
    await watched.apply(desk)
    assert watched.asked.count(subscription) == 2
    assert set((await results(desk)).values()) == {("done", "synced")}


@on_sqlite
async def test_what_is_nobodys_yet_is_looked_up_for_each_event(desk: Desk) -> None:
    """Any of them may be the one that makes it a reader's."""
    customer: str = desk.stripe.customers.create({"email": "ana@example.org"}).id
    subscription = desk.subscribe(customer)
    events = [each for each in await told(desk) if HANDLED[each.type] == "subscription"]
    await store(desk, *events)
    watched = Watched(desk.gateway)
    await watched.apply(desk)
    assert watched.asked.count(subscription) == len(events) > 1
    assert set((await results(desk)).values()) == {("done", "unbound")}


@on_sqlite
async def test_what_we_do_not_sell_yet_is_looked_up_for_each_event(desk: Desk) -> None:
    """Nothing of it is stored, and an offer may be made of its price meanwhile."""
    _, customer = await desk.reader()
    price: str = desk.stripe.prices.create(
        {
            "currency": "eur", "unit_amount": 300, "recurring": {"interval": "month"},
            "product_data": {"name": "Tote bag"},
        }
    ).id  # fmt: skip
    subscription = desk.subscribe(customer, items=[{"price": price}])
    events = [each for each in await told(desk) if HANDLED[each.type] == "subscription"]
    await store(desk, *events)
    watched = Watched(desk.gateway)
    await watched.apply(desk)
    assert watched.asked.count(subscription) == len(events) > 1
    assert set((await results(desk)).values()) == {("done", "foreign price")}
