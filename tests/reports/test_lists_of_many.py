"""Lists of the back office find their first page by an index, whatever is asked for and however few fit."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import Reader
from service.reports.counted_list import list_counted
from service.reports.few_readers import is_named
from service.reports.movement_list import Kinds, list_movements
from service.reports.offer_list import list_coupons, list_offers
from service.reports.readers import Kind, ReaderFilter, list_readers
from service.reports.registry import BY_SLUG
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, store
from tests.reports.rows import NOW

_LARGE = "readers|subscriptions|movements|moved|whose|checkouts|checkout_touches|invoices|charges"
# Few readers, and what is sold, are sorted: what is found by movements isn't.
_SLOW_STEP = re.compile(
    rf"SCAN ({_LARGE})(?! USING)|USE TEMP B-TREE FOR ORDER BY(?=.*FROM movements)", re.DOTALL
)
MARCH = asked("2026-03-01", "2026-03-31")
Asking = Callable[[AsyncSession], Awaitable[object]]


def everybody(kind: Kind | None = None, **chosen: Any) -> Asking:
    only = ReaderFilter(kind=kind, **chosen)
    return lambda session: list_readers(session, only, cursor=None, limit=5, now=NOW, zone=HOME)


def behind(slug: str, series: str = "") -> Asking:
    figure = BY_SLUG[slug]
    return lambda session: list_counted(session, figure, MARCH, series, cursor=None, limit=5)


def moved(kind: Kinds | None = None, cause: str = "") -> Asking:
    return lambda session: list_movements(session, MARCH, kind, cause=cause, cursor=None, limit=5)


@on_sqlite
@pytest.mark.parametrize(
    "asking",
    [
        everybody(plan="digital"), everybody(offer_id="off_1"), everybody("trial_ending"),
        everybody("owing"), everybody(source="elsewhere"), everybody(query="nobody@"),
        everybody(standing="unpaid"),
        behind("active-subscribers"), behind("joined-and-left"), behind("joined-and-left", "start"), behind("active-days", "days_20"),
        behind("joined-and-left", "changed_in"), behind("subscriber-churn"), behind("reasons", "dispute_lost"),
        behind("tenure", "day_1"), moved(), moved("churn"), moved(cause="refund"),
        lambda session: list_offers(session, MARCH, None, cursor=None, limit=5),
        lambda session: list_coupons(session, MARCH),
    ],
)  # fmt: skip
async def test_nothing_large_is_read_whole_or_sorted(database: Database, asking: Asking) -> None:
    sent: list[tuple[str, Any]] = []
    engine = database._reading.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        sent.append((statement, given))

    event.listen(engine, "before_cursor_execute", note)
    async with database.reading() as session:
        await asking(session)
        connection = await session.connection()
        steps = [
            f"{row.detail}\n{statement}"
            for statement, given in [*sent]
            for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]
    assert not [each for each in steps if _SLOW_STEP.match(each)]


@pytest.mark.parametrize("query", ["ana@", "example.org", "rdr_ana", "sub_ben", "cus_ben", "%"])
async def test_few_and_many_are_the_same_readers(database: Database, query: str) -> None:
    """Those who are named in the statement, and those who are looked up one by one."""
    ana, ben = (
        rows.reader(id=f"rdr_{name}", email=f"{name.title()}@example.org")
        for name in ("ana", "ben")
    )
    offer = rows.offer()
    bought = rows.subscription(ben, offer)
    bought.id, bought.customer_id = "sub_ben", "cus_ben"
    await store(database, ana, ben, offer, bought)
    found: list[list[str]] = []
    async with database.reading() as session:
        for few in (0, 5):
            fits = await is_named(session, query, few=few)
            found.append(
                [*await session.scalars(select(Reader.id).where(fits).order_by(Reader.id))]
            )
    expected = {
        "ana@": ["rdr_ana"],
        "rdr_ana": ["rdr_ana"],
        "%": [],
        "example.org": ["rdr_ana", "rdr_ben"],
    }
    assert found == [expected.get(query, ["rdr_ben"])] * 2
