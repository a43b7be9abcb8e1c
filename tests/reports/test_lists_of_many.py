"""Lists of the back office find their first page by an index, whatever is asked for and however few fit."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import (
    Checkout,
    CheckoutTouches,
    MovementRow,
    Reader,
    ReaderDevice,
    Subscription,
)
from service.html.list_query import ListQuery
from service.operators.money.lists import list_disputes, list_refunds
from service.reports.counted_list import list_counted
from service.reports.few_readers import FEW
from service.reports.figures import summary
from service.reports.led import UNKNOWN
from service.reports.movement_list import Kinds, list_movements
from service.reports.movement_rollup import MOVEMENTS
from service.reports.offer_list import figures_of_offers, list_coupons, list_offers
from service.reports.readers import Kind, ReaderFilter, list_readers
from service.reports.registry import BY_SLUG
from service.reports.report import report_on
from tests.bench.scaled import multiply
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, store
from tests.reports.rolled import context_in
from tests.reports.rows import NOW

_LARGE = (
    "readers|subscriptions|movements|moved|begun|whose|checkouts|checkout_touches|invoices|charges"
)
# Of an index, too, all is read, save where a page is found on the way or nothing else can be asked.
_WALKED = (
    "readers USING INDEX sqlite_autoindex_readers_1",  # a list in the order of ids
    "whose USING COVERING INDEX ix_movements_of_reader",  # and one in the order of customers
    # Of many readers, who aren't named, in the order of their own list.
    r"readers USING INDEX ix_readers_newest(?!\n.*readers\.id IN \((?!SELECT))",
    "readers USING COVERING INDEX ix_readers_address",  # a part of an address may be anywhere
)
# Few readers, and what is sold, are sorted: what is found by movements isn't.
_SLOW_STEP = re.compile(
    rf"SCAN (?!({'|'.join(_WALKED)})\n)({_LARGE})\b|USE TEMP B-TREE FOR ORDER BY(?=.*FROM movements)",
    re.DOTALL,
)
_SLOW_IN_POSTGRESQL = re.compile(rf"Seq Scan on ({_LARGE})|\bSort\b")
MANY = -1
"""So that nobody at all is more than a few: the database is empty."""
MARCH = asked("2026-03-01", "2026-03-31")
FILTERS: tuple[tuple[Kind | None, dict[str, Any]], ...] = (
    ("subscriber", {}), ("trial_ending", {}), ("owing", {}), ("lapsed", {}), ("pass_buyer", {}),
    ("comped", {}), (None, {"plan": "digital"}), (None, {"offer_id": "off_1"}),
    (None, {"source": "elsewhere"}), (None, {"query": "nobody@"}), (None, {"standing": "unpaid"}),
)  # fmt: skip
"""Each is answered by is_among or is_named."""
Asking = Callable[[AsyncSession], Awaitable[object]]


def everybody(kind: Kind | None = None, *, few: int = FEW, **chosen: Any) -> Asking:
    only = ReaderFilter(kind=kind, **chosen)
    return lambda session: list_readers(
        session, only, cursor=None, limit=5, now=NOW, zone=HOME, few=few
    )


def behind(slug: str, series: str = "", *, counted_first: bool = False, **chosen: str) -> Asking:
    """Nobody is there to be counted."""
    return _listed(slug, series, chosen, counted_first=counted_first)


def _listed(
    slug: str, series: str, chosen: dict[str, str], *, counted_first: bool = False
) -> Asking:
    figure, what = BY_SLUG[slug], replace(MARCH, chosen=chosen)
    assert figure.listing
    figure = replace(figure, listing=replace(figure.listing, counted_first=counted_first))
    return lambda session: list_counted(session, figure, what, series, cursor=None, limit=5)


def moved(kind: Kinds | None = None, cause: str = "") -> Asking:
    return lambda session: list_movements(session, MARCH, kind, cause=cause, cursor=None, limit=5)


async def _steps(database: Database, asking: Asking, explain: str, *settings: str) -> list[str]:
    """A step of a plan each, and its statement below it."""
    sent: list[tuple[str, Any]] = []
    engine = database._reading.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        sent.append((statement, given))

    event.listen(engine, "before_cursor_execute", note)
    async with database.reading() as session:
        await asking(session)
        event.remove(engine, "before_cursor_execute", note)
        connection = await session.connection()
        for each in settings:
            await connection.exec_driver_sql(each)
        return [
            f"{row[-1]}\n{statement}"
            for statement, given in [*sent]
            for row in await connection.exec_driver_sql(f"{explain} {statement}", given)
        ]


@on_sqlite
@pytest.mark.parametrize(
    "asking",
    [
        *(
            everybody(kind, few=few, **chosen)
            for few in (FEW, MANY)
            for kind, chosen in FILTERS
        ),
        behind("active-subscribers"), behind("joined-and-left"), behind("joined-and-left", "start"), behind("active-days", "days_20"),
        behind("joined-and-left", "changed_in"), behind("subscriber-churn"), behind("reasons", "dispute_lost"),
        behind("tenure", "day_1"), behind("cohort-retention", cohort="2026-01"), moved(), moved("churn"), moved(cause="refund"),
        lambda session: list_offers(session, MARCH, None, cursor=None, limit=5),
        lambda session: list_coupons(session, MARCH),
    ],
)  # fmt: skip
async def test_nothing_large_is_read_whole_or_sorted(database: Database, asking: Asking) -> None:
    steps = await _steps(database, asking, "EXPLAIN QUERY PLAN")
    assert not [each for each in steps if _SLOW_STEP.match(each)]


@on_sqlite
@pytest.mark.parametrize("chosen", [{}, {"kind": "registered"}, {"since": NOW}])
async def test_all_readers_are_listed_in_the_order_of_an_index(
    database: Database, chosen: dict[str, Any]
) -> None:
    """Which of them were merged or erased needs no index but of those few."""
    steps = await _steps(database, everybody(**chosen), "EXPLAIN QUERY PLAN")
    assert not [each for each in steps if each.startswith("USE TEMP B-TREE")]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_postgresql_decides_edges_in_order_and_looks_readers_up(database: Database) -> None:
    """Its planner believes that one row fits: to read all readers for it, or to sort all that there are, looks as cheap."""
    ana, offer = rows.reader(), rows.offer()
    bought = rows.subscription(ana, offer)
    left = rows.movement(
        bought, 1, MARCH.since, kind="churn_voluntary", cause="voluntary", from_plan=offer.plan,
        to_plan=None,
    )  # fmt: skip
    await store(database, ana, offer, bought, left)
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Reader, "true", 3_000, "id")
        await multiply(connection, Subscription, "true", 3_000, "id")
        await multiply(connection, MovementRow, "true", 3_000, "subscription_id", "customer")
        await connection.exec_driver_sql("ANALYZE readers, subscriptions, movements")
    asking = (
        behind("tenure"), behind("tenure", "day_1"), behind("reasons", "voluntary"), behind("subscriber-churn"),
        behind("joined-and-left"), behind("joined-and-left", "new"), behind("joined-and-left", "voluntary"),
        behind("cohort-retention", cohort="2026-03"),
    )  # fmt: skip
    steps = [step for each in asking for step in await _steps(database, each, "EXPLAIN")]
    assert steps
    assert not [each for each in steps if _SLOW_IN_POSTGRESQL.search(each.partition("\n")[0])]
    # Of as good as none of a month's it decides all, and sorts them, for each part of a file.
    begun = [re.search(r"movements begun +[(]cost=[^ ]+ rows=([0-9]+)", step) for step in steps]
    assert [int(each[1]) > 100 for each in begun if each] == [True]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_distinct_readers_are_counted_in_the_order_of_an_index(database: Database) -> None:
    """PostgreSQL sorts a million of them on disk to count each once."""
    ana, offers = rows.reader(), [rows.offer(), rows.offer()]
    await store(database, ana, *offers, rows.subscription(ana, offers[0]))
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Reader, "true", 3_000, "id")
        await multiply(connection, Subscription, "true", 3_000, "id", "reader_id")
        await connection.exec_driver_sql("ANALYZE readers, subscriptions")
    # So few are hashed in memory.
    as_many = [f"SET LOCAL enable_{each} = off" for each in ("seqscan", "hashagg", "sort")]
    for asking in (summary, lambda session: figures_of_offers(session, offers, MARCH)):
        steps = await _steps(database, asking, "EXPLAIN", *as_many)
        plan = "".join(step.partition("\n")[0] for step in steps)
        assert re.search(
            r"-> +Group(?:Aggregate)? [^>]+(?:> 1[^>]+)?-> +Index Only Scan using ix_subscriptions_paying",
            plan,
        )


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_first_page_and_the_offers_read_few_subscriptions(database: Database) -> None:
    """What a million of them bring is added up by day; those that are paused, or will end, have an index."""
    ana, offer = rows.reader(), rows.offer()
    bought = rows.subscription(ana, offer)
    await store(database, ana, offer, bought, rows.movement(bought, 1, NOW))
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Reader, "true", 3_000, "id")
        await multiply(connection, Subscription, "true", 3_000, "id", "reader_id")
        await multiply(connection, MovementRow, "true", 3_000, "subscription_id", "customer")
    await MOVEMENTS.roll_up(context_in(database, HOME))
    async with database._committing_each.connect() as connection:
        # As the server does in time: until then no index answers without its table.
        await connection.exec_driver_sql("VACUUM ANALYZE subscriptions, movements")
    for asking, indexes in (
        (summary, ("subscriptions_ending", "subscriptions_paused")),
        (
            lambda session: figures_of_offers(session, [offer], MARCH),
            ("subscriptions_sold", "subscriptions_given_back"),
        ),
        (lambda session: list_coupons(session, MARCH), ("subscriptions_discounted", "movements_discounted")),
    ):  # fmt: skip
        # So few are read whole.
        as_many = [f"SET LOCAL enable_{each} = off" for each in ("seqscan", "bitmapscan")]
        steps = await _steps(database, asking, "EXPLAIN", *as_many)
        found = [each.partition("\n")[0] for each in steps]
        assert not [
            each for each in found if re.search(r"Seq Scan on (subscriptions|movements)", each)
        ]
        for name in indexes:
            assert [each for each in found if f"using ix_{name} " in each], name


@on_sqlite
@pytest.mark.parametrize(
    "slug", ["active-subscribers", "joined-and-left", "tenure", "registrations"]
)
async def test_nobody_is_looked_for_where_the_figure_counts_nobody(
    database: Database, slug: str
) -> None:
    """To decide reader by reader that none of a million fits took longer than a statement may."""
    listing = BY_SLUG[slug].listing
    assert listing
    asking = behind(slug, counted_first=listing.counted_first)
    steps = await _steps(database, asking, "EXPLAIN QUERY PLAN")
    assert not [each for each in steps if " AS listed" in each or "AS moved" in each]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nobody_is_looked_for_in_a_cohort_that_has_none(database: Database) -> None:
    """Of all who began in a month it was decided one by one that none began with what is asked for."""
    ana, offer = rows.reader(), rows.offer()
    bought = rows.subscription(ana, offer)
    await store(database, ana, offer, bought, rows.movement(bought, 1, MARCH.since))
    await MOVEMENTS.roll_up(context_in(database, HOME))
    for asking, is_nobody in (
        (behind("cohort-retention", interval_charged="month"), False),
        (behind("cohort-retention", interval_charged="day"), True),
        (behind("cohort-retention", interval_charged="month", cohort="2026-03"), False),
        (behind("cohort-retention", interval_charged="month", cohort="2026-02"), True),
    ):
        steps = await _steps(database, asking, "EXPLAIN")
        assert any("One-Time Filter: false" in each for each in steps) == is_nobody


@on_sqlite
@pytest.mark.parametrize("slug", ["stop-rate", "paid-after-a-wall", "registration-funnel"])
async def test_holders_of_days_that_nobody_counted_need_no_checkouts(
    database: Database, slug: str
) -> None:
    """Of a year before the first read these were two million, read to count buyers whom none of these figures has."""
    steps = await _steps(database, partial(report_on, slug=slug, asked=MARCH), "EXPLAIN QUERY PLAN")
    assert not [
        each
        for each in steps
        if each.startswith("SEARCH checkouts USING INDEX ix_checkouts_created_at")
    ]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_thousand_readers_are_looked_up_one_by_one(database: Database) -> None:
    """An export has as many at a time, and its devices are those of all readers."""
    ana = rows.reader()
    await store(database, ana, ReaderDevice(device_id="dev_1", reader_id=ana.id, linked_at=NOW))
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Reader, "true", 3_000, "id")
        await multiply(connection, ReaderDevice, "true", 3_000, "device_id", "reader_id")
        await connection.exec_driver_sql("ANALYZE readers, reader_devices")
    steps = await _steps(
        database,
        lambda session: list_readers(
            session, ReaderFilter(), cursor=None, limit=1_000, now=NOW, zone=HOME
        ),
        "EXPLAIN",
    )
    assert steps
    assert not [step for step in steps if "Seq Scan on reader_devices" in step.partition("\n")[0]]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_purchases_without_a_source_are_known_to_be_many(database: Database) -> None:
    """Taken to be rare, all checkouts were read for each page of an export, which was ended after its first rows."""
    ana, offer = rows.reader(), rows.offer()
    bought = rows.checkout(ana, offer, NOW)
    touches = CheckoutTouches(checkout_id=bought.id, first_at=NOW, last_at=NOW)
    await store(database, ana, offer, bought, touches)
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Checkout, "true", 3_000, "id")
        await multiply(connection, CheckoutTouches, "true", 3_000, "checkout_id")
        await connection.exec_driver_sql("ANALYZE checkouts, checkout_touches")
    steps = await _steps(database, everybody(source=UNKNOWN), "EXPLAIN")
    found = [re.search(r"Join .* rows=(\d+)", step) for step in steps]
    assert max(int(each[1]) for each in found if each) > 1_000


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("name", "index"), [("source", "first"), ("last_source", "last"), ("campaign", "campaign")]
)
async def test_what_a_rare_source_led_to_is_found_by_an_index(
    database: Database, name: str, index: str
) -> None:
    """Each trial of the period was looked up with its checkout, though the source had led to none."""
    ana, offer = rows.reader(), rows.offer()
    at = NOW - timedelta(days=1)
    bought = rows.checkout(ana, offer, at, stripe_subscription_id="sub_1")
    common = {"first_source": "search", "last_source": "search", "first_campaign": "spring"}
    touches = CheckoutTouches(checkout_id=bought.id, first_at=NOW, last_at=NOW, **common)
    trial = rows.subscription(ana, offer, trial_ended_at=at, trial_became="paid")
    await store(database, ana, offer, bought, touches, trial)
    async with database.transaction() as session:
        connection = await session.connection()
        await multiply(connection, Checkout, "true", 3_000, "id", "stripe_subscription_id")
        await multiply(connection, CheckoutTouches, "true", 3_000, "checkout_id")
        await multiply(connection, Subscription, "true", 3_000, "id")
        await connection.exec_driver_sql("ANALYZE checkouts, checkout_touches, subscriptions")
    for slug in ("trial-conversion", "sources"):
        steps = await _steps(database, _listed(slug, "", {name: "letter"}), "EXPLAIN")
        assert any(f"ix_checkout_touches_{index}" in each for each in steps), steps


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_charges_are_listed_in_the_order_of_an_index(database: Database) -> None:
    """Beside the others in one list all of a year are sorted, on disk."""
    asking = behind("refunds-and-disputes", "charges")
    cheapest = ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off")
    steps = await _steps(database, asking, "EXPLAIN", *cheapest)
    assert not [step for step in steps if "Sort" in step.partition("\n")[0]]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("listed", [list_disputes, list_refunds])
async def test_the_reader_of_a_charge_is_looked_up(database: Database, listed: Any) -> None:
    """By one address of an index, not by comparing it with all readers."""
    asking = partial(listed, asked=ListQuery())
    steps = await _steps(database, asking, "EXPLAIN", "SET LOCAL enable_seqscan = off")
    found = [step.partition("\n")[0] for step in steps]
    assert not [step for step in found if "readers.id" in step and " OR " in step]
