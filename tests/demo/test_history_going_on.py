"""The invented year goes on as the demo's clock does, and the local Stripe agrees with it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select

from service.billing.reconcile_job import NIGHTLY, Reconciler
from service.billing.sync import sync_subscription
from service.db.tables import (
    Job,
    Mail,
    Subscription,
)
from service.demo.history import write
from service.demo.routes import jump
from service.operators.weekly_mail import WEEKLY, WeeklyMail
from service.payments.books import BOOKED_KINDS
from tests.databases import on_sqlite
from tests.demo.invented import FEW, MONTH, Demo, begun, counted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@on_sqlite
async def test_stripe_agrees_with_the_year_and_with_the_month_after_it(going_on: Demo) -> None:
    """And what a visitor touches is a subscription as any other."""
    demo = going_on
    assert await demo.differences() == []
    assert await demo.gaps(*BOOKED_KINDS) == []
    before = await counted(demo, Subscription.status, Subscription)
    async with demo.context.database.reading() as session:
        touched = await session.scalar(
            select(Subscription.id)
            .where(Subscription.status == "active", Subscription.interval == "month")
            .order_by(Subscription.current_period_end)
            .limit(1)
        )
    assert touched is not None
    demo.clocks.travel(timedelta(minutes=5))
    await demo.gateway.cancel_subscription(touched)
    await sync_subscription(demo.context, demo.gateway, touched)
    played = demo.events()
    await demo.jump(MONTH)
    async with demo.context.database.reading() as session:
        row = await session.get_one(Subscription, touched)
    assert row.status == "canceled"
    assert await demo.differences() == []
    # What it paid out meanwhile it says by webhooks.
    assert await demo.gaps("invoice", "charge") == []
    after = await counted(demo, Subscription.status, Subscription)
    assert after.total() > before.total()
    assert after["canceled"] > before["canceled"] + 1
    # The local Stripe was shown the month, and didn't play it: it takes no flood of work.
    assert demo.events() - played < 10


@on_sqlite
async def test_a_part_that_was_interrupted_is_written_again(going_on: Demo) -> None:
    """With all of it undone, or with the local Stripe's half kept already."""
    demo, engine = going_on, going_on.context.database._writing.sync_engine
    for moment in ("begin", "commit"):
        before = await counted(demo, Subscription.status, Subscription)
        demo.clocks.travel(MONTH)
        with broken(engine, moment), pytest.raises(Broken):
            await write.go_on(demo.context, demo.simulator)
        assert await counted(demo, Subscription.status, Subscription) == before
        demo.clocks.travel(timedelta(minutes=5))
        await demo.jump(timedelta(0))
        assert (await counted(demo, Subscription.status, Subscription)).total() > before.total()
    assert await demo.differences() == []
    assert await demo.gaps("invoice", "charge") == []


async def test_a_night_and_a_monday_come_when_the_clock_jumps(
    sqlite_folder: Path, migrated_file: Path
) -> None:
    """Each once, with the dates of the time that was jumped over."""
    path = Path(shutil.copy(migrated_file, sqlite_folder / "jump.db"))
    async with begun(f"sqlite:///{path}", FEW) as demo:
        began = demo.clocks.wall()
        night, monday = Reconciler(demo.context, demo.gateway), WeeklyMail(demo.context)
        assert (await night.round(), await monday.round()) == (0, 0)
        await jump(demo.simulator, demo.context, demo.gateway, 7)
        for expected in (1, 0):
            assert (await night.round(), await monday.round()) == (expected, expected)
        async with demo.context.database.reading() as session:
            jobs = await session.execute(
                select(Job.kind, Job.key, Job.status).where(
                    Job.kind.in_((NIGHTLY, WEEKLY)), Job.created_at >= began
                )
            )
            sent = list(await session.scalars(select(Mail.kind)))
    assert sorted(map(tuple, jobs)) == [
        (NIGHTLY, "2026-03-11", "done"), (NIGHTLY, "2026-03-18", "waiting"),
        (WEEKLY, "2026-03-16", "done"), (WEEKLY, "2026-03-23", "waiting"),
    ]  # fmt: skip
    assert sent == ["weekly"]


class Broken(Exception):
    """As a power cut."""


@contextmanager
def broken(engine: Engine, moment: str) -> Iterator[None]:
    """Let the first transaction break that comes to this moment."""

    def cut(_: object) -> None:
        raise Broken

    event.listen(engine, moment, cut)
    yield
    event.remove(engine, moment, cut)
