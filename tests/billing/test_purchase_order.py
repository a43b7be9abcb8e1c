"""A purchase's events in every order, repeated, before and after the return: the same end state."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.billing.apply_event import apply_due_events
from service.billing.inbox import JOB, store_event
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Customer, Grant, InboxEvent, Job, Reader, Subscription
from service.payments.stripe_objects import event_of
from service.settings import Settings
from tests.billing.replay import RETURN, Replay, handled_events, kept, post
from tests.checkout.rows import rows, sign_in
from tests.conftest import MovingClocks
from tests.served import Installation, installation
from tests.stripe_at_hand import Wire, gateway_to, sdk

TABLES = (Checkout, Customer, Grant, Reader, Subscription)


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site whose Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def anonymous(site: Installation) -> str:
    session_id: str = site.start_checkout().json()["session_id"]
    assert site.pay(session_id).status_code == 200
    return session_id


def known(site: Installation) -> str:
    sign_in(site)
    return anonymous(site)


def trial(site: Installation) -> str:
    session_id: str = site.start_checkout("trial").json()["session_id"]
    assert site.pay(session_id).status_code == 200
    return session_id


def cancelled_at_once(site: Installation) -> str:
    session_id = anonymous(site)
    (bought,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.update(bought["id"], {"cancel_at_period_end": True})
        stripe.subscriptions.cancel(bought["id"])
    return session_id


def left(site: Installation) -> str:
    session_id: str = site.start_checkout().json()["session_id"]
    with sdk(site.stripe_url) as stripe:
        stripe.checkout.sessions.expire(session_id)
    return session_id


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("buy", [anonymous, known, trial, cancelled_at_once, left])
def test_every_order_ends_alike(
    quiet: Installation, sqlite_folder: Path, buy: Callable[[Installation], str]
) -> None:
    session_id = buy(quiet)
    events = handled_events(quiet)
    assert events
    orders = _orders(events, all_of_them=buy is anonymous)

    async def compare() -> None:
        gateway = gateway_to(quiet.stripe_url, http=Wire(quiet.simulator.world))
        replay = Replay(quiet, gateway, session_id, TABLES, kept(quiet, sqlite_folder))
        expected = await replay.end_state([RETURN, *events])
        paid = buy is not left
        assert [len(expected[table.__tablename__]) for table in TABLES] == (
            [1] * 5 if paid else [1, 0, 0, 0, 0]
        )
        for order in orders:
            names = [step if step == RETURN else step["type"] for step in order]
            assert await replay.end_state(order) == expected, names
        for order in orders[::10]:
            assert await replay.end_state([*order, *order]) == expected
            assert await replay.end_state(order, at_once=True) == expected
        await gateway.close()

    asyncio.run(compare())


def _orders(events: list[dict[str, Any]], *, all_of_them: bool) -> list[list[Any]]:
    """Every order of the events, and a seeded sample of those with a return anywhere between them."""
    alone: list[list[Any]] = [list(order) for order in itertools.permutations(events)]
    returning = [
        [*order[:place], RETURN, *order[place:]]
        for order in alone
        for place in range(len(events) + 1)
    ]
    chance = random.Random(1)  # noqa: S311 a seed, so that it repeats
    if not all_of_them:
        alone = chance.sample(alone, min(len(alone), 20))
    return [*alone, *chance.sample(returning, min(len(returning), 40))]


@pytest.mark.parametrize("first", ["events", "return"])
def test_posted_backwards_and_thrice(quiet: Installation, first: str) -> None:
    """By the front door, on both databases, all at the same time."""
    session_id = anonymous(quiet)
    events = handled_events(quiet)[::-1]
    address = f"/v1/checkout/return?session_id={session_id}"
    if first == "return":
        assert quiet.browser.get(address).status_code == 303
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda event: post(quiet, event), events * 3))
    assert set(statuses) == {200}
    quiet.settle()
    if first == "events":
        assert quiet.browser.get(address).status_code == 303
    assert quiet.unlock("a").json()["reason"] == "subscription"
    for table in TABLES:
        assert len(rows(quiet, table)) == 1, table
    assert len(rows(quiet, InboxEvent)) == len(events)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_several_processes_apply_the_same_purchase(quiet: Installation) -> None:
    """Each with a database and a gateway of its own; the service itself is one more."""
    anonymous(quiet)
    events = handled_events(quiet)

    async def process(place: int) -> None:
        database = Database(quiet.settings.database_url)
        gateway = gateway_to(quiet.stripe_url)
        for event in events[place % len(events) :]:
            async with database.transaction() as session:
                await store_event(session, event_of(event), quiet.clocks.wall())
            await apply_due_events(Context(quiet.settings, quiet.clocks, database), gateway)
        await gateway.close()
        await database.dispose()

    async def all_at_once() -> None:
        await asyncio.gather(*(process(place) for place in range(6)))

    asyncio.run(all_at_once())
    quiet.settle()
    for table in TABLES:
        assert len(rows(quiet, table)) == 1, table
    jobs = {job.key: job for job in rows(quiet, Job) if job.kind == JOB}
    assert jobs.keys() == {event["id"] for event in events}
    assert {(job.status, job.attempts) for job in jobs.values()} == {("done", 0)}
