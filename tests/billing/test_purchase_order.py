"""A purchase's events in every order, repeated, before and after the return: the same end state."""

import asyncio
import random
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.billing.apply_event import apply_due_events
from service.billing.inbox import JOB, store_event
from service.db.context import Context
from service.db.session import Database
from service.db.tables import InboxEvent, Job
from service.payments.stripe_objects import event_of
from service.settings import Settings
from tests.billing.orders import BOUGHT, PURCHASES, anonymous, purchase_ends_alike
from tests.billing.replay import handled_events, post
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation
from tests.stripe_at_hand import gateway_to


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site whose Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


@on_sqlite
@pytest.mark.parametrize("buy", PURCHASES)
def test_every_order_ends_alike(
    quiet: Installation, sqlite_folder: Path, buy: Callable[[Installation], str]
) -> None:
    """Some orders of them, other ones each time; `make soak` plays them all."""
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    chance = random.Random(seed)  # noqa: S311 repeatable
    purchase_ends_alike(quiet, sqlite_folder, buy, chance, most=1)


@pytest.mark.parametrize(
    ("database_url", "first"),
    [("sqlite", "events"), ("postgresql", "return")],
    indirect=["database_url"],
)
def test_posted_backwards_and_thrice(quiet: Installation, first: str) -> None:
    """By the front door, all at the same time."""
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
    for table in BOUGHT:
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
    for table in BOUGHT:
        assert len(rows(quiet, table)) == 1, table
    jobs = {job.key: job for job in rows(quiet, Job) if job.kind == JOB}
    assert jobs.keys() == {event["id"] for event in events}
    assert {(job.status, job.attempts) for job in jobs.values()} == {("done", 0)}
