"""The inbox on both databases: nothing lost, nothing twice, nothing that holds up others."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from service.billing import inbox
from service.billing.apply_event import apply_due_events
from service.db.session import Database
from service.db.tables import InboxEvent
from service.payments.gateway import Gateway, GatewayUnavailable, StripeEvent
from service.settings import Settings
from tests.billing.stripe_values import event, subscription
from tests.conftest import MovingClocks

SECOND = timedelta(seconds=1)


class Scripted:
    """A gateway that answers subscriptions, or fails with what stands in `failures` for the id."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.asked: list[str] = []

    async def retrieve_subscription(self, subscription_id: str) -> Any:
        self.asked.append(subscription_id)
        if subscription_id in self.failures:
            raise self.failures[subscription_id]
        return subscription(id=subscription_id)


async def stored(database: Database, told: StripeEvent, clocks: MovingClocks) -> bool:
    async with database.transaction() as session:
        return await inbox.store_event(session, told, clocks.wall())


async def row(database: Database, identifier: str = "evt_1") -> InboxEvent:
    async with database.reading() as session:
        found = await session.get(InboxEvent, identifier)
        assert found is not None
        return found


async def run(
    database: Database, gateway: Scripted, settings: Settings, clocks: MovingClocks
) -> int:
    return await apply_due_events(database, cast("Gateway", gateway), settings, clocks)


async def test_one_event_is_one_row(database: Database, clocks: MovingClocks) -> None:
    answers = await asyncio.gather(*(stored(database, event(), clocks) for _ in range(20)))
    assert sorted(answers) == [False] * 19 + [True]
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(InboxEvent)) == 1


@pytest.mark.parametrize("kind", ["charge.succeeded", "something.new", "invoice.paid"])
async def test_what_does_not_concern_us_is_kept_and_ignored(
    database: Database, clocks: MovingClocks, kind: str
) -> None:
    assert await stored(database, event(kind=kind, subscription_id=None), clocks)
    assert (await row(database)).status == "ignored"
    assert await inbox.claim_next(database, clocks.wall()) is None


async def test_a_claim_is_a_lease(database: Database, clocks: MovingClocks) -> None:
    await stored(database, event(), clocks)
    claimed = await inbox.claim_next(database, clocks.wall())
    assert claimed is not None
    assert await inbox.claim_next(database, clocks.wall() + inbox.LEASE - SECOND) is None
    # Whoever claimed it has died.
    again = await inbox.claim_next(database, clocks.wall() + inbox.LEASE)
    assert again == claimed
    await inbox.finish(database, claimed, result="synced", ignored=False, now=clocks.wall())
    assert await inbox.claim_next(database, clocks.wall() + timedelta(days=9)) is None
    assert (await row(database)).status == "applied"


async def test_parallel_claims_share_the_events(database: Database, clocks: MovingClocks) -> None:
    for number in range(12):
        await stored(database, event(f"evt_{number}"), clocks)
    claimed = await asyncio.gather(*(inbox.claim_next(database, clocks.wall()) for _ in range(15)))
    taken = [each.id for each in claimed if each is not None]
    # A claim may come away empty while others hold rows; nothing is ever claimed twice.
    assert len(taken) == len(set(taken))
    while (more := await inbox.claim_next(database, clocks.wall())) is not None:
        taken.append(more.id)
    assert sorted(taken) == sorted(f"evt_{number}" for number in range(12))


async def test_a_failing_event_is_retried_with_growing_pauses_and_then_quarantined(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(subscription_id="sub_bad"), clocks)
    await stored(database, event("evt_2", subscription_id="sub_good"), clocks)
    gateway = Scripted(sub_bad=ValueError("no such shape"))
    assert await run(database, gateway, settings, clocks) == 2
    assert (await row(database, "evt_2")).status == "ignored"  # a customer nobody knows
    assert (await row(database, "evt_2")).result == "unknown customer"
    pauses = []
    for attempt in range(1, inbox.MOST_ATTEMPTS):
        failed = await row(database)
        assert (failed.status, failed.attempts) == ("pending", attempt)
        assert "no such shape" in failed.result
        pause = failed.due_at - clocks.wall()
        pauses.append(pause.total_seconds())
        clocks.travel(pause - SECOND)
        assert await run(database, gateway, settings, clocks) == 0
        clocks.travel(SECOND)
        assert await run(database, gateway, settings, clocks) == 1
    assert pauses == [2, 8, 32, 128]
    assert (await row(database)).status == "quarantined"
    clocks.travel(timedelta(days=365))
    assert await run(database, gateway, settings, clocks) == 0
    assert gateway.asked.count("sub_bad") == inbox.MOST_ATTEMPTS


async def test_a_quarantined_event_can_be_replayed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(), clocks)
    gateway = Scripted(sub_1=ValueError("broken"))
    for _ in range(inbox.MOST_ATTEMPTS):
        await run(database, gateway, settings, clocks)
        clocks.travel(timedelta(hours=1))
    assert (await row(database)).status == "quarantined"
    async with database.transaction() as session:
        assert await inbox.replay(session, "evt_1", clocks.wall())
        assert not await inbox.replay(session, "evt_none", clocks.wall())
    assert (await row(database)).attempts == 0
    gateway.failures.clear()
    assert await run(database, gateway, settings, clocks) == 1
    assert (await row(database)).result == "unknown customer"


async def test_while_stripe_is_away_events_wait_and_use_up_no_try(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    for number in range(3):
        await stored(database, event(f"evt_{number}"), clocks)
    gateway = Scripted(sub_1=GatewayUnavailable("away"))
    for _ in range(inbox.MOST_ATTEMPTS * 2):
        assert await run(database, gateway, settings, clocks) == 0
        clocks.travel(inbox.OUTAGE_PAUSE)
    # One question a round is enough to learn that Stripe is away.
    assert len(gateway.asked) == inbox.MOST_ATTEMPTS * 2
    assert [(await row(database, f"evt_{number}")).attempts for number in range(3)] == [0] * 3
    gateway.failures.clear()
    assert await run(database, gateway, settings, clocks) == 3


async def test_a_result_of_any_length_fits(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await stored(database, event(), clocks)
    await run(database, Scripted(sub_1=ValueError("x" * 5000)), settings, clocks)
    assert len((await row(database)).result) == inbox.LONGEST_RESULT


async def test_a_late_failure_does_not_bring_back_what_another_has_applied(
    database: Database, clocks: MovingClocks
) -> None:
    """The first took longer than its lease; the second has applied the event meanwhile."""
    await stored(database, event(), clocks)
    slow = await inbox.claim_next(database, clocks.wall())
    clocks.travel(inbox.LEASE)
    second = await inbox.claim_next(database, clocks.wall())
    assert slow is not None
    assert second is not None
    await inbox.finish(database, second, result="synced", ignored=False, now=clocks.wall())
    assert not await inbox.fail(database, slow, reason="too late", now=clocks.wall())
    await inbox.postpone(database, slow, reason="too late", now=clocks.wall())
    assert ((await row(database)).status, (await row(database)).result) == ("applied", "synced")
