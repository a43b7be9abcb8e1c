"""The invented year: what it holds, that the local Stripe agrees, and that it goes on as the clock does."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from service.billing.reconcile import reconcile
from service.billing.sync import sync_subscription
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Checkout, Grant, MovementRow, Reader, Subscription
from service.demo.history import write
from service.demo.history.book import Book
from service.demo.history.year import DAYS
from service.demo.newspaper import read_newspaper
from service.demo.seed import seed
from service.payments.stripe_gateway import StripeGateway
from service.reports.asked import Asked
from service.reports.period import parse_period
from service.reports.registry import FIGURES
from service.simulator.app import Simulator, create_simulator
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of, on_sqlite
from tests.stripe_at_hand import Wire, gateway_to

SIZE, SMALL = 80, 40
"""To compare each subscriber with Stripe takes longer than all else: the small one will do for that."""
BOOKED = {"dunning", "revenue", "refunds-and-disputes", "payouts"}
"""Figures of what Stripe has booked, which the history doesn't write."""
MONTH = timedelta(days=30)
URL = "http://stripe.localhost"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Demo:
    """A new demo with its local Stripe, in this process."""

    context: Context
    clocks: MovingClocks
    simulator: Simulator
    gateway: StripeGateway
    size: int

    async def begin(self) -> None:
        await seed(self.context, read_newspaper(self.clocks.business()))
        assert await write.is_wanted(self.context, self.size)
        await write.begin(self.context, self.simulator, size=self.size)

    async def jump(self, by: timedelta) -> None:
        """As the bar on the demo's pages does, but for webhooks, which nobody receives here."""
        self.clocks.travel(by)
        await write.go_on(self.context, self.simulator)
        self.simulator.world.catch_up()

    async def differences(self) -> list[object]:
        report = await reconcile(
            self.context, self.gateway, started_by="test", fix=False, pauses=()
        )  # fmt: skip
        assert report.compared > self.size
        return [each.difference for each in report.findings]

    def events(self) -> int:
        """What the local Stripe has played by itself."""
        return sum(
            "subscription" in each["type"] for each in self.simulator.world.store.find("event")
        )


@asynccontextmanager
async def begun(url: str, size: int) -> AsyncIterator[Demo]:
    clocks, database = MovingClocks(), Database(url)
    simulator = create_simulator(database=None, public_url=URL, wall_now=clocks.wall, endpoints=())
    gateway = gateway_to(URL, http=Wire(simulator.world))
    demo = Demo(Context(settings_of(url), clocks, database), clocks, simulator, gateway, size)
    await demo.begin()
    yield demo
    await gateway.close()
    simulator.world.store.close()
    await database.dispose()


@pytest.fixture(scope="module")
def url_of_the_year(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_of(request, "sqlite") as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(url_of_the_year: str) -> AsyncIterator[Demo]:
    """The year as it was written; for tests that only look at it."""
    async with begun(url_of_the_year, SIZE) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def going_on(database_url: str) -> AsyncIterator[Demo]:
    """A demo whose clock the test moves."""
    async with begun(database_url, SMALL) as made:
        yield made


async def counted(demo: Demo, column: Any, table: type[Base]) -> Counter[str]:
    async with demo.context.database.reading() as session:
        found = await session.execute(
            select(column, func.count()).select_from(table).group_by(column)
        )
    return Counter({str(name): count for name, count in found})


@on_sqlite
async def test_stripe_agrees_with_the_year_and_with_the_month_after_it(going_on: Demo) -> None:
    """And what a visitor touches is a subscription as any other."""
    demo = going_on
    assert await demo.differences() == []
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
    after = await counted(demo, Subscription.status, Subscription)
    assert after.total() > before.total()
    assert after["canceled"] > before["canceled"] + 1
    # The local Stripe was shown the month, and didn't play it: it takes no flood of work.
    assert demo.events() - played < 10


async def test_each_report_has_something_to_show(demo: Demo) -> None:
    zone, now = demo.context.settings.zone, demo.clocks.business()
    first = (now - timedelta(days=DAYS)).date()
    period = parse_period(
        {"from": first.isoformat(), "to": now.date().isoformat(), "interval": "month", "zone": ""},
        today=now.astimezone(zone).date(), zone=zone,
    )  # fmt: skip
    async with demo.context.database.reading() as session:
        for figure in FIGURES:
            if figure.slug in BOOKED:
                continue
            lines = await figure.lines(session, Asked(period, now, zone))
            cells = [cell for line in lines for cell in (*line.cells, line.total)]
            assert any(cell.value for cell in cells), figure.slug


async def test_the_year_is_one_of_growth_with_people_who_are_nobody(demo: Demo) -> None:
    kinds = await counted(demo, MovementRow.kind, MovementRow)
    assert {"new", "expansion", "churn_voluntary", "churn_involuntary"} <= set(kinds)
    assert (
        SIZE / 2 < kinds["new"] - kinds["churn_voluntary"] - kinds["churn_involuntary"] < SIZE * 2
    )
    assert set(await counted(demo, Checkout.status, Checkout)) == {"completed", "expired"}
    assert set(await counted(demo, Grant.source, Grant)) == {"subscription", "pass", "comp"}
    assert (await counted(demo, AccessEntry.wall, AccessEntry))["subscribe"]
    async with demo.context.database.reading() as session:
        addresses = list(await session.scalars(select(Reader.email)))
    assert {str(each).partition("@")[2] for each in addresses} == {
        "example.com", "example.net", "example.org",
    }  # fmt: skip


async def test_a_second_start_adds_nothing(demo: Demo) -> None:
    before = await counted(demo, Subscription.status, Subscription)
    assert not await write.is_wanted(demo.context, SIZE)
    await write.go_on(demo.context, demo.simulator)
    assert await counted(demo, Subscription.status, Subscription) == before


async def test_a_longer_history_begins_with_the_shorter(demo: Demo) -> None:
    """What is written at once is what is written in two parts: nothing twice, nothing forgotten."""
    now, then = demo.clocks.business(), demo.clocks.business() - 3 * MONTH
    whole, early, late = [
        await book(demo, since=since, until=until)
        for since, until in ((None, now), (None, then), (then, now))
    ]
    assert whole.entries
    assert reads(whole) == reads(early) + reads(late)
    assert happened(whole) == happened(early) + happened(late)
    assert moved(whole) == moved(early) + moved(late)


async def book(demo: Demo, *, since: datetime | None, until: datetime) -> Book:
    async with demo.context.database.reading() as session:
        written = await write.read_written(session, demo.context)
        stored = frozenset(await session.scalars(select(Subscription.id)))
    assert written is not None
    empty = Book(since, until)
    scribe = await write.scribe_of(
        demo.context, demo.simulator, written.calendar, SIZE, empty
    )  # fmt: skip
    if since is not None:
        scribe = replace(scribe, untouched=stored)
    write.fill(scribe, SIZE)
    return scribe.book


def reads(book: Book) -> Counter[object]:
    return Counter((each.at, each.holder, each.article_id, each.reason) for each in book.entries)


def happened(book: Book) -> Counter[object]:
    return Counter((each["once"], each["occurred_at"]) for each in book.events)


def moved(book: Book) -> Counter[object]:
    return Counter(
        (row.subscription_id, row.number, row.kind, row.at)
        for row in book.rows
        if isinstance(row, MovementRow)
    )
