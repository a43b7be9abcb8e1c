"""The invented year: what it holds, that the local Stripe agrees, and that it goes on as the clock does."""

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from sqlalchemy import Engine, event, func, inspect, select

from service.billing.movements import Kind
from service.billing.reconcile import reconcile
from service.billing.reconcile_job import NIGHTLY, Reconciler
from service.billing.sync import sync_subscription
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    BalanceRow,
    ChargeRow,
    Checkout,
    DomainEvent,
    ExchangeRate,
    GiftLink,
    GiftOpening,
    GiftSubscription,
    Grant,
    Institution,
    InstitutionReadDay,
    InvoiceRow,
    Job,
    Mail,
    MovementRow,
    PayoutRow,
    Reader,
    RefundRow,
    Right,
    Seat,
    Subscription,
)
from service.demo.history import write
from service.demo.history.book import Book
from service.demo.history.year import DAYS, drawn
from service.demo.newspaper import read_newspaper
from service.demo.routes import jump
from service.demo.seed import seed
from service.finance.books import Gap, gaps
from service.html.list_query import ListQuery
from service.identity.cookies import cookie_name
from service.identity.sessions import open_session
from service.metering.ledger import Entry
from service.operators.money import lists
from service.operators.stripe_figures.entries import list_entries
from service.operators.weekly_mail import WEEKLY, WeeklyMail
from service.payments.books import BOOKED_KINDS, BookedKind
from service.payments.stripe_gateway import StripeGateway
from service.reports.asked import Asked
from service.reports.experiment_report import report_on_experiment
from service.reports.period import parse_period
from service.reports.registry import FIGURES
from service.reports.sharing_list import SharingQuery, list_sharing
from service.rules.experiment_store import newest_experiments
from service.simulator.app import Simulator, create_simulator
from service.simulator.payments.charges import OPEN_DISPUTE
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of, on_sqlite
from tests.inside import inside
from tests.stripe_at_hand import Wire, gateway_to

SIZE, SMALL = 80, 40
FEW = 8
"""To compare each subscriber with Stripe takes longer than all else: the small one will do for that."""
FILLED = (
    ExchangeRate, Institution, InstitutionReadDay, GiftLink, GiftOpening, GiftSubscription, Seat,
)  # fmt: skip
READ_BY = ("subscription", "comp", "gift", "seat")
"""What opens everything to those who hold it."""
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

    async def gaps(self, *kinds: BookedKind) -> list[Gap]:
        """Where the rows of money aren't what the local Stripe lists."""
        found = [each for kind in kinds async for each in self.gateway.booked_since(kind, None)]
        assert len(found) > self.size
        async with self.context.database.reading() as session:
            return await gaps(session, found)

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
    settings = settings_of(url).model_copy(update={"mail_from": "Packet <packet@example.org>"})
    demo = Demo(Context(settings, clocks, database), clocks, simulator, gateway, size)
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


@pytest.mark.xdist_group("the-year")
async def test_each_report_has_something_to_show(demo: Demo) -> None:
    zone, now = demo.context.settings.zone, demo.clocks.business()
    first = (now - timedelta(days=DAYS)).date()
    period = parse_period(
        {"from": first.isoformat(), "to": now.date().isoformat(), "interval": "month", "zone": ""},
        today=now.astimezone(zone).date(), zone=zone,
    )  # fmt: skip
    async with demo.context.database.reading() as session:
        for figure in FIGURES:
            lines = await figure.lines(session, Asked(period, now, zone))
            cells = [cell for line in lines for cell in (*line.cells, line.total)]
            assert any(cell.value for cell in cells), figure.slug


@pytest.mark.xdist_group("the-year")
async def test_money_adds_up(demo: Demo) -> None:
    """Each payout is its entries, what is paid is what was charged, and revenue is all of it."""
    async with demo.context.database.reading() as session:
        invoices = list(await session.scalars(select(InvoiceRow)))
        charges = list(await session.scalars(select(ChargeRow)))
        moves = list(await session.scalars(select(BalanceRow)))
        payouts = list(await session.scalars(select(PayoutRow)))
        refunds = list(await session.scalars(select(RefundRow)))
        renewals = await session.scalar(
            select(func.count()).where(
                DomainEvent.type.in_(("subscription.renewed", "subscription.trial_paid"))
            )
        )
    parts: Counter[str | None] = Counter()
    for each in moves:
        assert each.net == each.amount - each.fee
        if each.category != "payout":
            parts[each.payout_id] += each.net
    assert {each.id: each.amount for each in payouts} == {
        payout: net for payout, net in parts.items() if payout is not None
    }
    assert {each.arrives_at.weekday() for each in payouts} == {2}
    assert len([each for each in payouts if each.currency == "EUR"]) > 40
    taken: Counter[str | None] = Counter()
    for charge in charges:
        taken[charge.invoice_id] += charge.amount if charge.status == "succeeded" else 0
    assert {each.id: each.amount_paid for each in invoices} == {
        each.id: taken[each.id] for each in invoices
    }
    assert taken[None] == sum(each.amount for each in charges if each.sold == "pass") > 0
    assert refunds
    paid = [each for each in invoices if each.status == "paid" and each.total]
    assert renewals == len([each for each in paid if each.billing_reason == "subscription_cycle"])
    assert {each.status for each in invoices} == {"paid", "open"}


@pytest.mark.xdist_group("the-year")
async def test_the_money_page_has_something_to_show(demo: Demo) -> None:
    asked = ListQuery(limit=20)
    async with demo.context.database.reading() as session:
        owing = await lists.list_owing(session, asked)
        refunds = await lists.list_refunds(session, asked)
        payouts = await lists.list_payouts(session, asked)
        latest = await lists.read_payout(session, payouts.items[0].id)
        wrote = await session.scalar(select(func.count()).where(Subscription.cancel_comment != ""))
    assert all(each.decline != "unknown" and each.tries for each in owing.items)
    assert {each.offer_name for each in refunds.items} & {"Monthly", "Yearly"}
    whose = [each.whose for each in owing.items] + [each.whose for each in refunds.items]
    assert all(each.email for each in whose)
    assert (latest.rest, len(payouts.items)) == (0, 20)
    assert wrote


@pytest.mark.xdist_group("the-year")
async def test_the_year_is_one_of_growth_with_people_who_are_nobody(demo: Demo) -> None:
    kinds = await counted(demo, MovementRow.kind, MovementRow)
    assert set(kinds) == {*get_args(Kind)}
    assert (
        SIZE / 2 < kinds["new"] - kinds["churn_voluntary"] - kinds["churn_involuntary"] < SIZE * 2
    )
    assert set(await counted(demo, Checkout.status, Checkout)) == {"completed", "expired"}
    assert set(await counted(demo, Grant.source, Grant)) == {
        "subscription", "pass", "comp", "external", "gift", "seat",
    }  # fmt: skip
    assert (await counted(demo, AccessEntry.wall, AccessEntry))["subscribe"]
    async with demo.context.database.reading() as session:
        addresses = list(await session.scalars(select(Reader.email)))
    assert {str(each).partition("@")[2] for each in addresses} == {
        "example.com", "example.net", "example.org",
    }  # fmt: skip


@pytest.mark.xdist_group("the-year")
async def test_lists_beside_the_sales_have_something_to_show(demo: Demo) -> None:
    async with demo.context.database.reading() as session:
        for table in FILLED:
            assert await session.scalar(select(func.count()).select_from(table)), table
        bound = set(await session.scalars(select(Right.bound_by)))
        now, zone = demo.clocks.business(), demo.context.settings.zone
        shared = await list_sharing(session, SharingQuery(), now.astimezone(zone).date())
        tried = [
            await report_on_experiment(session, each, now, zone)
            for each in await newest_experiments(session, 5)
        ]
        entered = (await list_entries(session, ListQuery(limit=20))).items
    assert bound == {None, "email"}
    assert len(shared.items) == 2
    assert [each.state for each in tried] == ["running", "over"]
    for report in tried:
        assert report.result is not None
        assert report.mixed == 0
        assert all(each.tally.holders for each in report.result.variants)
    assert [each.rest == 0 for each in entered] == [False, True, True]


@pytest.mark.xdist_group("the-year")
async def test_a_second_start_adds_nothing(demo: Demo) -> None:
    before = await counted(demo, Subscription.status, Subscription)
    assert not await write.is_wanted(demo.context, SIZE)
    await write.go_on(demo.context, demo.simulator)
    assert await counted(demo, Subscription.status, Subscription) == before


@on_sqlite
async def test_reads_are_as_real_ones_are_recorded_and_explained(going_on: Demo) -> None:
    """The same columns are filled in each kind of row, and each is what explain says of its instant."""
    demo = going_on
    async with demo.context.database.reading() as session:
        written = list(await session.scalars(select(AccessEntry)))
        slugs = {row.id: row.slug for row in await session.scalars(select(Article))}
        holders = await session.execute(
            select(Grant.source, func.min(Grant.reader_id))
            .where(
                Grant.source.in_(READ_BY), Grant.ends_at > demo.clocks.business()
            )
            .group_by(Grant.source)
        )  # fmt: skip
    granted = {reader: source for source, reader in holders}
    only_registered = {each.reader_id for each in written if each.audience == "registered"}
    context = demo.context
    async with inside(context.database, context.settings, demo.clocks) as paywall:
        for slug in slugs.values():
            await paywall.unlock(slug)
        for reader in (min(map(str, only_registered - {*granted})), *granted):
            async with paywall.database.transaction() as session:
                opened = await open_session(
                    session, reader_id=reader, now=demo.clocks.wall(), settings=context.settings
                )
            name = cookie_name("session", context.settings)
            paywall.client.cookies.set(name, opened.token, domain="127.0.0.1")
            for slug in slugs.values():
                if reader in granted:
                    await paywall.client.get(f"/articles/{slug}")
                else:
                    await paywall.unlock(slug)
        real = (await paywall.ledger())[len(written) :]
        for each in drawn("explained").sample([row for row in written if row.reader_id], 20):
            asked = {"reader": each.reader_id, "article": slugs[each.article_id]}
            told = await paywall.client.get(
                "/v1/admin/explain",
                params={**asked, "at": each.at.isoformat()},
                headers=paywall.staff,
            )
            assert told.json()["reason"] == each.reason, (asked, told.text)
    filled_by_kind = filled(real)
    assert filled(written).items() <= filled_by_kind.items()


def filled(entries: Sequence[AccessEntry]) -> dict[object, frozenset[str]]:
    """The columns with a value of each kind of row, but for what led there and what is tried on some."""
    found: dict[object, frozenset[str]] = {}
    for each in entries:
        kind = each.reason, each.wall, each.audience, each.once, each.reader_id is None
        columns = {name for name in Entry._fields if getattr(each, name) is not None}
        columns -= {"referrer_host", "campaign", "variant"}
        assert found.setdefault(kind, frozenset(columns)) == columns, kind
    return found


@dataclass
class Stored:
    """What a history in parts comes to: its rows by table and key, and all that is only ever added."""

    rows: dict[tuple[object, ...], dict[str, object]] = field(default_factory=dict)
    added: Counter[object] = field(default_factory=Counter)
    until: datetime | None = None

    def untouched(self) -> frozenset[str] | None:
        if self.until is None:
            return None
        return frozenset(
            str(key[1])
            for key, row in self.rows.items()
            if key[0] == "Subscription" and row["synced_at"] == self.until
        )

    def keep(self, book: Book) -> None:
        """As the database does: nothing is stored twice, or of a reader who isn't."""
        for row in book.rows:
            assert key_of(row) not in self.rows, f"twice: {key_of(row)}"
            self.rows[key_of(row)] = columns_of(row)
        for row in book.changed:
            assert key_of(row) in self.rows, f"never stored: {key_of(row)}"
            self.rows[key_of(row)] = columns_of(row)
        readers = {key[1] for key in self.rows if key[0] == "Reader"}
        assert {row.get("reader_id") for row in self.rows.values()} <= {*readers, None}
        assert {reader for reader, *_ in book.comps} <= readers
        self.added.update(
            (each.at, each.holder, each.article_id, each.reason) for each in book.entries
        )
        self.added.update((each["once"], each["occurred_at"]) for each in book.events)
        self.added.update([*book.touches, *book.sources, *book.comps])
        for each in book.takings.entered:
            key = (type(each.booked).__name__, each.booked.id)
            # An invoice that was open may have been paid since.
            assert key not in self.rows or key[0] == "BookedInvoice", f"twice: {key}"
            self.rows[key] = {"booked": each.booked, "ours": dict(each.ours)}
        self.added.update(("moved", each.booked.id) for each in book.takings.moves)
        self.until = book.until


def key_of(row: Base) -> tuple[object, ...]:
    columns = inspect(type(row)).primary_key
    return (type(row).__name__, *(getattr(row, str(column.key)) for column in columns))


def columns_of(row: Base) -> dict[str, object]:
    return {each.key: getattr(row, each.key) for each in inspect(type(row)).column_attrs}


async def stored(demo: Demo, cuts: Sequence[datetime]) -> Stored:
    """The history written up to each of these instants, one after the other."""
    found = Stored()
    for until in cuts:
        found.keep(await book(demo, found.until, until, found.untouched()))
    return found


async def book(
    demo: Demo, since: datetime | None, until: datetime, untouched: frozenset[str] | None
) -> Book:
    async with demo.context.database.reading() as session:
        written = await write.read_written(session, demo.context)
    assert written is not None
    scribe = await write.scribe_of(
        demo.context, demo.simulator, written.calendar, FEW, Book(since, until)
    )  # fmt: skip
    scribe = replace(scribe, untouched=untouched)
    write.fill(scribe, FEW)
    return scribe.book


@pytest.mark.xdist_group("the-year")
async def test_a_history_in_parts_is_the_one_written_at_once(demo: Demo) -> None:
    """Wherever it is cut: between two steps of one person, and anywhere else."""
    now = demo.clocks.business().replace(microsecond=0)
    begin = now - timedelta(days=DAYS)
    whole, rng = await stored(demo, [now]), drawn("cuts")
    between = rng.sample(sorted(each for each in within_steps(whole) if begin < each < now), 15)
    for some in range(3):
        anywhere = {begin + timedelta(seconds=rng.randrange(DAYS * 86_400)) for _ in range(2)}
        in_parts = await stored(demo, [*sorted(anywhere | {*between[some::3]}), now])
        assert in_parts.added == whole.added
        assert in_parts.rows == whole.rows


def within_steps(whole: Stored) -> set[datetime]:
    """When somebody has signed in and not bought yet, and when a pass isn't over."""
    found = set()
    for (table, *_), row in whole.rows.items():
        if table == "Customer":
            assert isinstance(row["bound_at"], datetime)
            found.add(row["bound_at"] - timedelta(minutes=1))
        elif table == "Pass":
            assert isinstance(row["starts_at"], datetime)
            found.add(row["starts_at"] + timedelta(hours=1))
    return found


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
        night, monday = Reconciler(demo.context, demo.gateway), WeeklyMail(demo.context)
        assert (await night.round(), await monday.round()) == (0, 0)
        await jump(demo.simulator, demo.context, demo.gateway, 7)
        for expected in (1, 0):
            assert (await night.round(), await monday.round()) == (expected, expected)
        async with demo.context.database.reading() as session:
            jobs = await session.execute(
                select(Job.kind, Job.key, Job.status).where(Job.kind.in_((NIGHTLY, WEEKLY)))
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


@pytest.mark.xdist_group("the-year")
async def test_a_bank_contests_a_payment_that_is_at_stripe(demo: Demo) -> None:
    """The last one here: the local Stripe has it on its agenda from then on."""
    store = demo.simulator.world.store
    before = len(store.agenda())
    await write.contest(demo.context, demo.simulator)
    assert len(store.agenda()) == before + 1
    (due,) = (each for each in store.agenda() if each.action == OPEN_DISPUTE)
    charge = store.get(due.subject, "charge")
    assert charge is not None
    assert charge["paid"]
    assert due.at > demo.simulator.world.now
