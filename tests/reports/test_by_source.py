"""MRR and subscribers by what led to the purchase, and the stop rate by section: the rows in plain Python."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.billing.movement_rows import note_found_checkout
from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    CheckoutTouches,
    MovementRow,
    Offer,
    Reader,
    ReaderDevice,
    RolledDay,
    Rollup,
    SourceCohortMonth,
    SourceEdgeDay,
    SourceMoneyDay,
)
from service.reports.asked import Asked
from service.reports.queries.walls import stop_rate
from service.reports.source_rollup import BY_SOURCE
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, values
from tests.reports.ledger_histories import BEGIN as LEDGER_BEGIN
from tests.reports.ledger_histories import LINKED, READERS, LedgerOracle, in_zone, ledgers
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import BEGIN, Ledger, Oracle, histories, stays
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled
from tests.statements import statements

SOME = sampled(2)
DAY = timedelta(days=1)
LATER = BEGIN + 400 * DAY
UTC_ZONE = ZoneInfo("UTC")
SOURCES = ("letter", "gift", "direct or unknown")
SECTIONS = {"art_1": "News", "art_2": "no section"}
_TABLES: tuple[type[Base], ...] = (
    Rollup, SourceMoneyDay, SourceEdgeDay, SourceCohortMonth, MovementRow, AccessEntry, RolledDay, CheckoutTouches, Checkout, ReaderDevice, Article, Offer, Reader,
)  # fmt: skip


LEVELS: dict[str, Callable[[Oracle], Ledger]] = {
    "mrr": lambda of: of.money("", "recurring"),
    "arr": lambda of: of.money("", "recurring"),
    "mrr-after-discounts": lambda of: of.money("", "net"),
    "active-subscribers": lambda of: of.readers(""),
}


def source_of(subscription_id: str) -> str:
    return SOURCES[int(subscription_id.removeprefix("sub_")) % 3]


async def emptied(url: str) -> Database:
    database = Database(url)
    async with database.transaction() as session:
        for table in _TABLES:
            await session.execute(delete(table))
    return database


def test_mrr_and_subscribers_by_source(database_url: str) -> None:
    @SOME
    @given(
        history=histories(), start=st.sampled_from([15, 40]), days=st.sampled_from([1, 41]),
        rolled=st.sampled_from(["no", "before the checkouts", "and again", "all"]),
    )  # fmt: skip
    def play(history: list[MovementRow], start: int, days: int, rolled: str) -> None:
        first = BEGIN.date() + start * DAY
        last = first + (days - 1) * DAY
        what = asked(str(first), str(last), "week", now=LATER, zone="UTC", home=UTC_ZONE)
        oracle = Oracle(history, first, last, "week", UTC_ZONE)
        asyncio.run(_compare_money(database_url, what, oracle, rolled))

    play()


async def _stored(
    database: Database, rolled: str, of: Sequence[Base], checkouts: Sequence[Base]
) -> None:
    """Movements are added up before anybody knows of the checkouts, or after, or never."""
    context = context_in(database, UTC_ZONE)
    if rolled in {"no", "all"}:
        await store(database, *of, *checkouts)
    else:
        await store(database, *of)
        await BY_SOURCE.roll_up(context)
        await store(database, *checkouts)
        async with database.transaction() as session:
            for each in checkouts:
                if isinstance(each, Checkout) and each.stripe_subscription_id is not None:
                    await note_found_checkout(session, each.stripe_subscription_id)
    if rolled in {"and again", "all"}:
        await BY_SOURCE.roll_up(context)


async def _compare_money(url: str, what: Asked, oracle: Oracle, rolled: str) -> None:
    database = await emptied(url)
    try:
        reader, offer = rows.reader(), rows.offer()
        bought = {row.subscription_id for row in oracle.rows} - {"sub_2"}
        clicks = [rows.checkout(reader, offer, BEGIN, stripe_subscription_id=each) for each in bought]  # fmt: skip
        touches = [
            CheckoutTouches(checkout_id=click.id, first_at=BEGIN, last_at=BEGIN, first_source=source)
            for click in clicks
            if (source := source_of(click.stripe_subscription_id or "")) != SOURCES[2]
        ]  # fmt: skip
        columns = [each.key for each in MovementRow.__table__.columns]
        copies = [MovementRow(**{k: getattr(row, k) for k in columns}) for row in oracle.rows]
        await store(database, reader, offer)
        await _stored(database, rolled, copies, [*clicks, *touches])
        for slug, ledger_of in LEVELS.items():
            split = await lines_of(database, slug, replace(what, split="source"))
            for source in SOURCES:
                mine = [row for row in oracle.rows if source_of(row.subscription_id) == source]
                ledger = ledger_of(replace(oracle, rows=mine))
                only = await lines_of(database, slug, replace(what, chosen={"source": source}))
                for lines in ([each for each in split if each.split == source], only):
                    for line in lines:
                        level = Fraction(0)
                        level += sum(v for k, v in ledger.opening.items() if k[2] == line.currency)
                        for cell, step in zip(line.cells, ledger.steps, strict=True):
                            level += sum(v for k, v in step.items() if k[2] == line.currency)
                            assert cell.value == level * (12 if slug == "arr" else 1), (
                                slug,
                                source,
                            )
        await _compare_ends(database, what, oracle)
        for name in ("source", "last_source"):
            await lists_agree(database, "joined-and-left", replace(what, split=name))
    finally:
        await database.dispose()


async def _compare_ends(database: Database, what: Asked, oracle: Oracle) -> None:
    """Who left what a source led to, by why and after how long."""
    for source in SOURCES:
        mine = [row for row in oracle.rows if source_of(row.subscription_id) == source]
        ended = [
            oracle.step(each.until)
            for each in stays(mine)
            if each.until is not None and each.way in {"voluntary", "involuntary"}
        ]
        expected = [ended.count(number) for number in range(what.steps)]
        for slug, split in (("reasons", ""), ("reasons", "tenure"), ("tenure", "")):
            asked_for = replace(what, split=split, chosen={"source": source})
            lines = await lines_of(database, slug, asked_for)
            found = [
                sum(int(line.cells[n].value or 0) for line in lines) for n in range(what.steps)
            ]
            assert found == expected, (slug, split, source)


async def test_who_joined_by_source(database: Database) -> None:
    """Three join in March, of them one by a letter and one by a gift; each is active for what led to it."""
    reader, offer = rows.reader(), rows.offer()
    bought = [rows.subscription(reader, offer) for _ in range(3)]
    clicks = [rows.checkout(reader, offer, rows.NOW, stripe_subscription_id=s.id) for s in bought]
    await store(database, reader, offer, *bought, *clicks)
    await store(
        database,
        *(rows.movement(each, 1, rows.NOW, customer=f"ctm_{n}") for n, each in enumerate(bought)),
        *(
            CheckoutTouches(
                checkout_id=click.id, first_at=rows.NOW, last_at=rows.NOW, first_source=source,
                last_source="gift", first_campaign="spring",
            )
            for click, source in zip(clicks, ("letter", "gift"), strict=False)
        ),
    )  # fmt: skip
    march = ("2026-03-01", "2026-03-31", "month")
    for split, expected in (
        ("source", {"letter": 1, "gift": 1, "direct or unknown": 1}),
        ("last_source", {"gift": 2, "direct or unknown": 1}),
        ("campaign", {"spring": 2, "no campaign": 1}),
    ):
        found = values(await lines_of(database, "joined-and-left", asked(*march, split=split)))
        assert {v: c[-1] for (n, v, _), c in found.items() if n == "new"} == expected
        for value, number in expected.items():
            (cohort,) = await lines_of(
                database, "cohort-retention", replace(asked(*march), chosen={split: value})
            )
            assert (cohort.total.part, cohort.total.whole) == (number, number)
        moved = values(await lines_of(database, "mrr-movements", asked(*march, split=split)))
        assert {v: c[-1] for (n, v, _), c in moved.items() if n == "new"} == {
            value: 900 * number for value, number in expected.items()
        }


def test_the_stop_rate_by_section(database_url: str) -> None:
    @SOME
    @given(ledger=ledgers, start=st.integers(0, 8), days=st.integers(1, 18))
    def play(ledger: list[AccessEntry], start: int, days: int) -> None:
        first = LEDGER_BEGIN.date() + start * DAY
        last = first + (days - 1) * DAY
        what = asked(str(first), str(last), "week", now=LATER, zone="UTC", home=UTC_ZONE)
        for number, row in enumerate(in_zone(ledger, UTC_ZONE)):
            row.id = f"{number:06}"
        asyncio.run(_compare_sections(database_url, what, ledger))

    play()


async def _compare_sections(url: str, what: Asked, ledger: list[AccessEntry]) -> None:
    database = await emptied(url)
    try:
        articles = [rows.article(each, each) for each in SECTIONS]
        for article in articles:
            article.id, named = article.slug, SECTIONS[article.slug]
            article.section = None if named == "no section" else named
        await store(database, *articles, *(rows.reader(id=each) for each in READERS))
        columns = [each.key for each in AccessEntry.__table__.columns]
        copies = [AccessEntry(**{k: getattr(row, k) for k in columns}) for row in ledger]
        links = [
            ReaderDevice(device_id=d, reader_id=r, linked_at=LEDGER_BEGIN) for d, r in LINKED.items()
        ]  # fmt: skip
        await store(database, *links, *copies)
        split = await lines_of(database, "stop-rate", replace(what, split="section"))
        for article_id, section in SECTIONS.items():
            mine = [row for row in ledger if row.article_id == article_id]
            only = await lines_of(database, "stop-rate", replace(what, chosen={"section": section}))
            for lines in ([each for each in split if each.split == section], only):
                for line, place in zip(lines, range(3), strict=False):
                    for cell, step in zip(
                        (*line.cells, line.total), [*what.period.steps, what.period.whole], strict=True
                    ):  # fmt: skip
                        oracle = LedgerOracle(mine, step.first, step.last, 999, UTC_ZONE, {}, {})
                        expected = next(oracle.stop_rate())
                        assert (cell.part, cell.whole) == (expected[place], expected[3])
        async with database.reading() as session:
            sampled = await stop_rate(session, replace(what, split="section"), 1)
        days = (what.period.first, what.period.last)
        are_many = sum(days[0] <= row.day <= days[1] for row in ledger) > 1
        assert ("sample" in {each.series for each in sampled}) == are_many
    finally:
        await database.dispose()


async def test_what_led_to_a_purchase_stays_when_its_reader_is_erased(database: Database) -> None:
    """Whether the end that the erasure brings is added up yet, and counted from the rows, by days of another zone."""
    reader, offer = rows.reader(), rows.offer()
    bought = rows.subscription(reader, offer)
    click = rows.checkout(reader, offer, rows.NOW, stripe_subscription_id=bought.id)
    await store(database, reader, offer, bought, click)
    await store(
        database, rows.movement(bought, 1, rows.NOW - DAY),
        CheckoutTouches(
            checkout_id=click.id, first_at=rows.NOW, last_at=rows.NOW, first_source="letter"
        ),
    )  # fmt: skip
    context = context_in(database, UTC_ZONE)
    await BY_SOURCE.roll_up(context)
    async with database.transaction() as session:
        await session.execute(delete(CheckoutTouches))

    async def ended(zone: str, **chosen: str) -> dict[tuple[str, str], int]:
        what = asked(
            "2026-03-01", "2026-03-31", "month", now=LATER, zone=zone, home=UTC_ZONE, split="source"
        )
        lines = await lines_of(database, "joined-and-left", replace(what, chosen=chosen))
        return {
            (each.series, each.split): int(each.total.value or 0)
            for each in lines
            if each.total.value and each.series in {"new", "voluntary"}
        }

    assert await ended("UTC") == await ended("Europe/Lisbon") == {("new", "letter"): 1}
    await store(database, rows.ending(bought, 2, rows.NOW))
    expected = {("new", "letter"): 1, ("voluntary", "letter"): -1}
    for _ in range(2):
        assert await ended("UTC") == await ended("Europe/Lisbon") == expected
        assert await ended("UTC", last_source="direct or unknown") == expected
        await BY_SOURCE.roll_up(context)
    with statements() as sent:
        await BY_SOURCE.roll_up(context)
    assert sum("FROM rollups" in each or "FROM movements" in each for each in sent) == 2
