"""The inbox on both databases: nothing lost, nothing twice, nothing that holds up others."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from service.billing import inbox
from service.billing.apply_event import apply_due_events
from service.db.context import Context
from service.db.session import Database
from service.db.tables import InboxEvent, Job
from service.jobs.queue import LONGEST_RESULT, ROWS_STAY
from service.jobs.worker import FIVE_TRIES
from service.payments.gateway import Gateway, GatewayUnavailable, StripeEvent
from service.settings import Settings
from tests.billing.stripe_values import event, subscription
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

SECOND = timedelta(seconds=1)
MOST_ATTEMPTS = len(FIVE_TRIES) + 1
OUTAGE_PAUSE = timedelta(seconds=5)


class Scripted:
    """A gateway that answers subscriptions, or fails with what is in `failures` for the id."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.asked: list[str] = []

    async def retrieve_subscription(self, subscription_id: str) -> Any:
        self.asked.append(subscription_id)
        if subscription_id in self.failures:
            raise self.failures[subscription_id]
        return subscription(id=subscription_id)

    async def invoices_of_subscription(self, _: str) -> tuple[()]:
        return ()

    async def charges_of(self, _: str) -> tuple[()]:
        return ()

    async def next_amount_of(self, _: str) -> int:
        return 900

    async def pending_prorations_of(self, *_: str) -> tuple[()]:
        return ()

    async def booked(self, _kind: str, _object_id: str) -> None:
        return None


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """To render a traceback for every failure that these tests ask for takes seconds."""
    with capture_logs():
        yield


async def stored(database: Database, told: StripeEvent, clocks: MovingClocks) -> bool:
    async with database.transaction() as session:
        return await inbox.store_event(session, told, clocks.wall())


async def job_of(database: Database, event_id: str = "evt_1") -> Job:
    async with database.reading() as session:
        found = await session.scalar(select(Job).where(Job.kind == inbox.JOB, Job.key == event_id))
        assert found is not None
        return found


async def run(
    database: Database, gateway: Scripted, settings: Settings, clocks: MovingClocks
) -> int:
    return await apply_due_events(Context(settings, clocks, database), cast("Gateway", gateway))


async def test_one_event_is_one_row_and_one_job(database: Database, clocks: MovingClocks) -> None:
    answers = await asyncio.gather(*(stored(database, event(), clocks) for _ in range(50)))
    assert sorted(answers) == [False] * 49 + [True]
    async with database.reading() as session:
        for table in (InboxEvent, Job):
            assert await session.scalar(select(func.count()).select_from(table)) == 1


@on_sqlite
@pytest.mark.parametrize("kind", ["product.updated", "something.new"])
async def test_what_does_not_concern_us_is_kept_and_ignored(
    database: Database, clocks: MovingClocks, kind: str
) -> None:
    assert await stored(database, event(kind=kind, subscription_id=None), clocks)
    async with database.reading() as session:
        assert await session.scalar(select(InboxEvent.id)) == "evt_1"
        assert await session.scalar(select(func.count()).select_from(Job)) == 0
        assert await inbox.held_events(session) == []


async def test_a_failing_event_is_retried_with_growing_pauses_and_then_quarantined(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(subscription_id="sub_bad"), clocks)
    await stored(database, event("evt_2", subscription_id="sub_good"), clocks)
    gateway = Scripted(sub_bad=ValueError("no such shape"))
    assert await run(database, gateway, settings, clocks) == 1
    good = await job_of(database, "evt_2")
    assert (good.status, good.result) == ("done", "unknown customer")
    pauses = []
    for attempt in range(1, MOST_ATTEMPTS):
        failed = await job_of(database)
        assert (failed.status, failed.attempts) == ("waiting", attempt)
        assert "no such shape" in failed.result
        pause = failed.due_at - clocks.wall()
        pauses.append(pause.total_seconds())
        clocks.travel(pause - SECOND)
        await run(database, gateway, settings, clocks)
        assert gateway.asked.count("sub_bad") == attempt
        clocks.travel(SECOND)
        await run(database, gateway, settings, clocks)
    assert pauses == [2, 8, 32, 128]
    assert (await job_of(database)).status == "failed"
    clocks.travel(timedelta(days=365))
    assert await run(database, gateway, settings, clocks) == 0
    assert gateway.asked.count("sub_bad") == MOST_ATTEMPTS
    async with database.reading() as session:
        (held,) = await inbox.held_events(session)
    assert held.event.id == "evt_1"


@on_sqlite
async def test_a_quarantined_event_can_be_replayed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(), clocks)
    gateway = Scripted(sub_1=ValueError("broken"))
    for _ in range(MOST_ATTEMPTS):
        await run(database, gateway, settings, clocks)
        clocks.travel(timedelta(hours=1))
    assert (await job_of(database)).status == "failed"
    async with database.transaction() as session:
        assert await inbox.replay_event(session, "evt_1", clocks.wall())
        assert not await inbox.replay_event(session, "evt_none", clocks.wall())
    assert (await job_of(database)).attempts == 0
    gateway.failures.clear()
    assert await run(database, gateway, settings, clocks) == 1
    assert (await job_of(database)).result == "unknown customer"


@on_sqlite
async def test_while_stripe_is_away_events_wait_and_use_up_no_try(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    for number in range(3):
        await stored(database, event(f"evt_{number}"), clocks)
    gateway = Scripted(sub_1=GatewayUnavailable("away"))
    for _ in range(MOST_ATTEMPTS * 2):
        assert await run(database, gateway, settings, clocks) == 0
        clocks.travel(OUTAGE_PAUSE)
    # One question a round is enough to learn that Stripe is away.
    assert len(gateway.asked) == MOST_ATTEMPTS * 2
    assert [(await job_of(database, f"evt_{number}")).attempts for number in range(3)] == [0] * 3
    gateway.failures.clear()
    assert await run(database, gateway, settings, clocks) == 3


async def test_a_result_of_any_length_and_letters_fits(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(), clocks)
    await run(database, Scripted(sub_1=ValueError("x" * 5000)), settings, clocks)
    assert len((await job_of(database)).result) == LONGEST_RESULT
    clocks.travel(OUTAGE_PAUSE)
    await run(database, Scripted(sub_1=GatewayUnavailable("a\0b\ud800c")), settings, clocks)
    assert (await job_of(database)).result == "ab?c"


async def test_old_events_are_forgotten_unless_they_wait_or_were_given_up(
    database: Database, clocks: MovingClocks
) -> None:
    async with database.transaction() as session:
        for name in ("evt_done", "evt_waits", "evt_other"):
            kind = "product.updated" if name == "evt_other" else "invoice.paid"
            await inbox.store_event(session, event(name, type=kind), clocks.wall())
        await session.execute(update(Job).where(Job.key == "evt_done").values(status="done"))
    for days, left in ((ROWS_STAY.days - 1, 3), (2, 1)):
        clocks.travel(timedelta(days=days))
        await inbox.prune(database, clocks.wall())
        async with database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(InboxEvent)) == left
    async with database.reading() as session:
        assert await session.get(InboxEvent, "evt_waits") is not None
