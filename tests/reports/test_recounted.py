"""Trials, sources, buyers, articles that sell and habits: counted again in plain Python, without the queries,
from random rows on both databases; over changes of clocks and in other zones.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    CheckoutTouches,
    DomainEvent,
    HabitDay,
    HolderDay,
    HolderReturn,
    InvoiceRow,
    LedgerDay,
    MovementRow,
    Offer,
    Pass,
    PromotionUse,
    Reader,
    ReaderDevice,
    RolledDay,
    StepDepth,
    Subscription,
)
from service.finance.trials import forget_trials
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.queries.article_readers import readers_of
from service.reports.trial_rollup import look_up_trials
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.ledger_histories import (
    BEGIN,
    DAYS,
    LINKED,
    READERS,
    in_zone,
    joined,
    ledgers,
)
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import histories
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled

SOME = sampled(4)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = BEGIN + 200 * DAY
ZONES = ["Europe/Lisbon", "America/Santiago", "Pacific/Auckland"]
TABLES = (
    AccessEntry, HolderDay, LedgerDay, RolledDay, HolderReturn, StepDepth, HabitDay, PromotionUse, Pass,
    CheckoutTouches, Checkout, DomainEvent, InvoiceRow, MovementRow, Subscription, ReaderDevice, Article, Offer, Reader,
)  # fmt: skip
hours = st.integers(-20 * 24, (DAYS + 10) * 24)


@dataclass(frozen=True)
class Days:
    """A period of days in a zone, each of them a step."""

    first: date
    count: int
    zone: ZoneInfo

    def asked(self) -> Asked:
        last = self.first + (self.count - 1) * DAY
        return asked(str(self.first), str(last), "day", now=LATER, home=self.zone)

    def step(self, at: datetime) -> int | None:
        """None: it isn't in the period."""
        number = (at.astimezone(self.zone).date() - self.first).days
        return number if 0 <= number < self.count else None

    def tallied(self, moments: Iterable[datetime]) -> list[int]:
        """How many there are in each step, then in the period."""
        found = Counter(self.step(at) for at in moments)
        found.pop(None, None)
        return [*(found[number] for number in range(self.count)), found.total()]

    def distinct(self, things: Iterable[tuple[datetime, str]]) -> list[int]:
        """How many different ones there are in each step, then in the period."""
        inside = [(self.step(at), each) for at, each in things if self.step(at) is not None]
        by_step = [{each for step, each in inside if step == n} for n in range(self.count)]
        return [*map(len, by_step), len({each for _, each in inside})]


def periods_from(latest: int) -> st.SearchStrategy[Days]:
    """Of up to 20 days, which begin within `latest` days after the ledger does."""
    return st.builds(
        lambda start, count, zone: Days(BEGIN.date() + start * DAY, count, ZoneInfo(zone)),
        st.integers(0, latest), st.integers(1, 20), st.sampled_from(ZONES),
    )  # fmt: skip


periods = periods_from(10)


def by_series(lines: list[Line]) -> dict[tuple[str, str], list[Any]]:
    return {
        (line.series, line.split): [each.value for each in (*line.cells, line.total)]
        for line in lines
    }


async def emptied(url: str) -> Database:
    database = Database(url)
    async with database.transaction() as session:
        for table in TABLES:
            await session.execute(delete(table))
    return database


def played(compare: Callable[[Database], Any], url: str) -> None:
    async def run() -> None:
        database = await emptied(url)
        try:
            await compare(database)
        finally:
            await database.dispose()

    asyncio.run(run())


@dataclass(frozen=True)
class Trial:
    """`outcome` what became of it, `after` how many hours after the trial's end, or before it if below 0.

    `given`: it is no trial, but free time in the middle of a subscription.
    """

    start: int
    days: int
    outcome: str
    after: int
    is_yearly: bool

    @property
    def began(self) -> datetime:
        return BEGIN + self.start * HOUR

    @property
    def trial_end(self) -> datetime:
        return self.began + self.days * DAY

    @property
    def over(self) -> datetime:
        """When the trial ended: early if the subscription did."""
        gone = self.trial_end + self.after * HOUR
        return min(self.trial_end, gone) if self.outcome in {"lost", "left"} else self.trial_end

    @property
    def became(self) -> str:
        """Active alone is pending: nothing was charged yet."""
        return {"charged": "paid", "left": "paid", "lost": "lost"}.get(self.outcome, "pending")

    def rows(self, offer: Offer) -> list[Base]:
        reader = rows.reader()
        gone = self.outcome in {"lost", "left"}
        # Who paid once stays converted, whatever came afterwards.
        ended_at = self.trial_end + self.after * HOUR if gone else None
        status = {
            "lost": "canceled", "left": "canceled", "charged": "active", "given": "active",
        }.get(self.outcome, self.outcome)  # fmt: skip
        bought = rows.subscription(
            reader, offer, status=status, started_at=self.began, trial_end=self.trial_end,
            ended_at=ended_at, interval="year" if self.is_yearly else "month",
        )  # fmt: skip
        found: list[Base] = [reader, bought]
        at = self.trial_end
        if self.outcome in {"left", "given"}:
            told = "subscription.trial_paid" if self.outcome == "left" else "subscription.renewed"
            found.append(rows.told(reader, told, at, subject_id=bought.id))
        if self.outcome == "charged":
            found.append(rows.invoice(bought, created_at=at, paid_at=at + HOUR))
        if self.outcome == "given":
            found.append(rows.movement(bought, 1, self.began))
        return found


trials = st.lists(
    st.builds(
        lambda start, days, outcome, after, is_yearly: Trial(
            start, days, outcome, abs(after) if outcome == "left" else after, is_yearly
        ),
        hours, st.integers(1, 20), st.sampled_from(["active", "charged", "left", "lost", "past_due", "unpaid", "given"]),
        st.integers(-24, 200), st.booleans(),
    ),
    min_size=5, max_size=40,
)  # fmt: skip


def test_trials(database_url: str) -> None:
    @SOME
    @given(
        history=trials, days=periods, split=st.sampled_from(["", "interval_charged"]),
        looked_up=st.sampled_from(["never", "before the rest", "and again"]),
    )  # fmt: skip
    def play(history: list[Trial], days: Days, split: str, looked_up: str) -> None:
        async def compare(database: Database) -> None:
            offer = rows.offer()
            made = [row for each in history for row in each.rows(offer)]
            first = [each for each in made if isinstance(each, Reader | Subscription)]
            context = context_in(database, days.zone)
            await store(database, offer, *first)
            if looked_up != "never":
                await look_up_trials(context)
            await store(database, *(each for each in made if each not in first))
            async with database.transaction() as session:
                await forget_trials(session, select(Subscription.id))
            if looked_up == "and again":
                await look_up_trials(context)
            what = asked(
                str(days.first), str(days.first + (days.count - 1) * DAY), "day", now=LATER,
                home=days.zone, split=split,
            )  # fmt: skip
            found = by_series(await lines_of(database, "trial-conversion", what))
            await lists_agree(database, "trial-conversion", what)
            for value in ("month", "year") if split else ("",):
                theirs = [
                    each for each in history
                    if each.outcome != "given" and (not value or each.is_yearly == (value == "year"))
                ]  # fmt: skip
                nothing = [0] * (days.count + 1)
                for name in ("paid", "lost", "pending"):
                    expected = days.tallied(each.over for each in theirs if each.became == name)
                    assert found.get((name, value), nothing) == expected, name
                ended = days.tallied(each.over for each in theirs)
                assert found.get(("ended", value), nothing) == ended

        played(compare, database_url)

    play()


@dataclass(frozen=True)
class Click:
    """A checkout: by a reader, a device, or nobody known; completed `minutes` later, or never."""

    hour: int
    who: str
    minutes: int | None
    is_pass: bool
    first: tuple[str | None, str | None] | None
    last: tuple[str | None, str | None] | None
    article: str | None
    is_gift: bool

    @property
    def at(self) -> datetime:
        return BEGIN + self.hour * HOUR

    @property
    def paid_at(self) -> datetime | None:
        return None if self.minutes is None else self.at + timedelta(minutes=self.minutes)

    def rows(
        self, number: int, offer: Offer, present: Offer, readers: dict[str, Reader]
    ) -> list[Base]:
        kind, _, name = self.who.partition(":")
        made = rows.checkout(
            readers[READERS[0]], present if self.is_gift else offer, self.at, id=f"cko_{number:03}",
            reader_id=name if kind == "reader" else None,
            device_id=name if kind == "device" else None,
            status="open" if self.minutes is None else "completed", completed_at=self.paid_at,
            article_id=self.article if self.is_pass else None,
            stripe_subscription_id=None if self.is_pass else f"sub_{number}",
        )  # fmt: skip
        if self.first is None and self.last is None:
            return [made]
        (first_source, first_host), (last_source, last_host) = (
            each or (None, None) for each in (self.first, self.last)
        )
        touches = CheckoutTouches(
            checkout_id=made.id, first_at=self.at, last_at=self.at, first_source=first_source,
            first_referrer_host=first_host, last_source=last_source, last_referrer_host=last_host,
        )  # fmt: skip
        return [made, touches]


touch = st.none() | st.tuples(
    st.sampled_from([None, "letter", "autumn"]),
    st.sampled_from([None, "search.example", "a.example"]),
)
clicks = st.lists(
    st.builds(
        Click, hours,
        st.sampled_from([*(f"reader:{each}" for each in READERS), "device:d1", "device:d4", "nobody:"]),
        st.none() | st.integers(0, 3000), st.booleans(), touch, touch,
        st.sampled_from([None, "art_1", "art_2"]), st.booleans(),
    ).map(lambda each: replace(each, is_pass=True) if each.is_gift else each),
    max_size=25,
)  # fmt: skip


def source_of(found: tuple[str | None, str | None] | None) -> str:
    """The campaign's, else the site's."""
    source, host = found or (None, None)
    return source or host or "direct or unknown"


def test_sources_buyers_and_articles_that_sell(database_url: str) -> None:
    @SOME
    @given(ledger=ledgers, clicked=clicks, days=periods)
    def play(ledger: list[AccessEntry], clicked: list[Click], days: Days) -> None:
        played(
            lambda database: _sales(database, in_zone(ledger, days.zone), clicked, days),
            database_url,
        )

    play()


async def _sales(
    database: Database, ledger: list[AccessEntry], clicked: list[Click], days: Days
) -> None:
    offer, present = rows.offer(), rows.offer(kind="gift")
    readers = {each: rows.reader(id=each) for each in READERS}
    articles = [rows.article(f"art-{n}", f"Article {n}") for n in (1, 2)]
    for number, each in enumerate(articles, start=1):
        each.id = f"art_{number}"
    await store(database, offer, present, *readers.values(), *articles)
    for number, click in enumerate(clicked):
        await store(database, *click.rows(number, offer, present, readers))
    links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
    await store(database, *links, *(_copy(each) for each in ledger))
    what = days.asked()
    nothing = [0] * (days.count + 1)

    await lists_agree(database, "sources", what)
    found = by_series(await lines_of(database, "sources", what))
    sold = [each for each in clicked if each.paid_at is not None and not each.is_pass]
    for name in ("first", "last"):
        for value in {source_of(getattr(each, name)) for each in sold}:
            moments = [each.paid_at for each in sold if source_of(getattr(each, name)) == value]
            expected = days.tallied(at for at in moments if at is not None)
            assert found.get((name, value), nothing) == expected, (name, value)

    found = by_series(await lines_of(database, "funnel", what))
    whose = [(row.at, joined(row.holder), row.wall) for row in ledger]
    assert found["holders", ""] == days.distinct((at, each) for at, each, _ in whose)
    assert found["walled", ""] == days.distinct((at, each) for at, each, wall in whose if wall)
    buyers = [
        (each.at, each.who.partition(":")[2] or f"nobody {n}", each)
        for n, each in enumerate(clicked)
    ]
    assert found["started", ""] == days.distinct(
        (at, each) for at, each, click in buyers if not click.is_gift
    )
    for series, is_gift in (("paid", False), ("gifts", True)):
        assert found[series, ""] == days.distinct(
            (at, each)
            for at, each, click in buyers
            if click.paid_at is not None and click.is_gift == is_gift
        )

    found = by_series(await lines_of(database, "articles", what))
    for number in (1, 2):
        name, title = f"art_{number}", f"Article {number}"
        theirs = [row for row in ledger if row.article_id == name]
        bought, given = (
            [
                each.paid_at
                for each in clicked
                if each.paid_at is not None
                and each.is_gift == is_gift
                and _sold_by(each, ledger) == name
            ]
            for is_gift in (False, True)
        )
        all_four = {
            "sales": days.tallied(bought),
            "gifts": days.tallied(given),
            "walls": days.tallied(row.at for row in theirs if row.wall),
            "reads": days.tallied(row.at for row in theirs if not row.wall),
        }
        for series, counts in all_four.items():
            if any(each[-1] for each in all_four.values()):
                assert found[series, title] == counts, series
        distinct = days.distinct((row.at, joined(row.holder)) for row in theirs if row.granted)
        assert (await _readers_of_articles(database, what)).get(name, 0) == distinct[-1]


async def _readers_of_articles(database: Database, what: Asked) -> dict[str, int]:
    async with database.reading() as session:
        found = await readers_of(session, what, [*await session.scalars(select(Article.id))])
    assert found is not None
    return {article: each.number for article, each in found.items()}


def _sold_by(click: Click, ledger: list[AccessEntry]) -> str | None:
    """The pass's own article, else the one whose wall the buyer met last before the click."""
    if click.is_pass and click.article:
        return click.article
    met = [
        (row.at, row.id, row.article_id)
        for row in ledger
        if row.wall and row.at <= click.at and row.holder == click.who
    ]
    return max(met)[2] if met else None


def _copy(row: AccessEntry) -> AccessEntry:
    columns = {c.key: getattr(row, c.key) for c in AccessEntry.__table__.columns}
    kind, _, name = row.holder.partition(":")
    return AccessEntry(**{**columns, f"{kind}_id": name})


def test_active_days(database_url: str) -> None:
    @SOME
    @given(ledger=ledgers, history=histories(), days=periods_from(50))
    def play(ledger: list[AccessEntry], history: list[MovementRow], days: Days) -> None:
        played(
            lambda database: _habits(database, in_zone(ledger, days.zone), history, days),
            database_url,
        )

    play()


async def _habits(
    database: Database, ledger: list[AccessEntry], history: list[MovementRow], days: Days
) -> None:
    """Two readers are two of the three customers; the third was erased."""
    whose = dict(zip(READERS, ("ctm_1", "ctm_2"), strict=True))
    readers = [rows.reader(id=each, pseudonym=name) for each, name in whose.items()]
    links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
    columns = [each.key for each in MovementRow.__table__.columns]
    await store(database, *readers)
    await store(
        database, *links, *(_copy(each) for each in ledger),
        *(MovementRow(**{key: getattr(row, key) for key in columns}) for row in history),
    )  # fmt: skip
    await lists_agree(database, "active-days", days.asked())
    lines = {line.series: line for line in await lines_of(database, "active-days", days.asked())}
    for number in range(days.count):
        day = days.first + number * DAY
        expected = _habits_on(day, ledger, history, whose, days.zone)
        cells = {name: line.cells[number] for name, line in lines.items()}
        people, read, settled, asleep, less = expected
        assert (cells["days"].part, cells["days"].whole) == (read, people), day
        assert (cells["asleep"].part, cells["asleep"].whole) == (asleep, settled), day
        assert (cells["at_risk"].part, cells["at_risk"].whole) == (less, people), day


def _habits_on(
    day: date,
    ledger: list[AccessEntry],
    history: list[MovementRow],
    whose: dict[str, str],
    zone: ZoneInfo,
) -> tuple[int, int, int, int, int]:
    """Active readers when the day ends, their days with a read, who was one 30 days before, who of these
    slept, and who comes less.
    """
    people = read = settled = asleep = less = 0
    for reader, customer in whose.items():
        if not _is_active(day, history, customer, zone):
            continue
        theirs = {r.day for r in ledger if r.granted and joined(r.holder) == f"reader:{reader}"}
        lately = sum(day - 30 * DAY < each <= day for each in theirs)
        before = sum(day - 60 * DAY < each <= day - 30 * DAY for each in theirs)
        people, read = people + 1, read + lately
        is_settled = _is_active(day - 30 * DAY, history, customer, zone)
        settled += is_settled
        asleep += is_settled and lately == 0
        less += 2 * lately < before
    return people, read, settled, asleep, less


def _is_active(day: date, history: list[MovementRow], customer: str, zone: ZoneInfo) -> bool:
    """When the day ends."""
    midnight = datetime.combine(day + DAY, datetime.min.time(), zone)
    last: dict[str, MovementRow] = {}
    for row in sorted(history, key=lambda each: each.number):
        if row.customer == customer and row.at < midnight:
            last[row.subscription_id] = row
    return any(row.to_plan for row in last.values())
