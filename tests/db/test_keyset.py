"""Keyset pages: every row once, cursors of others refused, on both databases."""

import base64
import gc
import json
from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service.clock import Clocks
from service.db.keyset import Keyset
from service.db.session import Database
from service.db.tables import AuditEntry, ExchangeRate, Job, Operator
from service.problems import Problem
from tests.databases import on_sqlite

JOBS = Keyset(Job.created_at, Job.id)
OPERATORS = Keyset(Operator.email, newest_first=False)
AUDIT = Keyset(AuditEntry.id)
RATES = Keyset(ExchangeRate.day, ExchangeRate.currency)


def cursor_of(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


async def test_every_row_stands_on_one_page(database: Database, clocks: Clocks) -> None:
    now = clocks.wall()
    async with database.transaction() as session:
        for number in range(7):  # two rows a moment: the second column tells them apart
            at = now + timedelta(microseconds=number // 2)
            session.add(
                Job(id=f"job_{number}", kind="x", key=str(number), status="waiting", attempts=0, payload={}, result="", created_at=at, due_at=at)
            )  # fmt: skip
    seen: list[Any] = []
    cursor = None
    async with database.reading() as session:
        while True:
            page = await JOBS.page(session, select(Job), cursor=cursor, limit=3)
            seen += [job.id for job in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == [f"job_{number}" for number in reversed(range(7))]


async def test_a_page_goes_on_where_its_last_row_is_gone(
    database: Database, clocks: Clocks
) -> None:
    async with database.transaction() as session:
        for name in ("ä@example.org", "ana@example.org", "bea@example.org", "Zoë@example.org"):
            session.add(
                Operator(id=name[:3], email=name, password_hash="", role="viewer", created_at=clocks.wall())
            )  # fmt: skip
        await session.flush()
        first = await OPERATORS.page(session, select(Operator), cursor=None, limit=2)
        await session.delete(first.items[-1])
        await session.flush()
        rest = await OPERATORS.page(session, select(Operator), cursor=first.next_cursor, limit=2)
    shown = [each.email for each in (*first.items, *rest.items)]
    assert shown == sorted(shown)
    assert len(shown) == 4
    assert rest.next_cursor is None


async def test_what_a_request_looked_for_goes_with_it(database: Database) -> None:
    gc.collect()
    gc.disable()  # a cycle would wait for it
    try:
        asked = select(Operator).where(Operator.email == "ana@example.org")
        mine = Keyset(Operator.email)
        async with database.reading() as session:
            await OPERATORS.page(session, asked, cursor=None, limit=2)
            await mine.page(session, asked, cursor=None, limit=2)
        gone = ref(asked), ref(mine)
        del asked, mine
        assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()


async def test_a_list_may_be_in_the_order_of_days(database: Database, clocks: Clocks) -> None:
    days = [date(2026, 3, number) for number in (1, 2, 3, 4, 5)]
    async with database.transaction() as session:
        session.add_all(
            ExchangeRate(currency=code, into="EUR", day=day, rate="1", entered_by="x", entered_at=clocks.wall())
            for day in days for code in ("CHF", "USD")
        )  # fmt: skip
    seen: list[Any] = []
    cursor = None
    async with database.reading() as session:
        while cursor is not None or not seen:
            page = await RATES.page(session, select(ExchangeRate), cursor=cursor, limit=3)
            seen += [(each.day, each.currency) for each in page.items]
            cursor = page.next_cursor
        for foreign in (
            cursor_of(["1", "CHF"]),
            cursor_of([20000, "CHF"]),
            cursor_of(["2026-02-30", "CHF"]),
        ):
            with pytest.raises(Problem, match="next_cursor"):
                await RATES.page(session, select(ExchangeRate), cursor=foreign, limit=1)
    assert seen == [(day, code) for day in reversed(days) for code in ("USD", "CHF")]


def test_an_order_that_no_cursor_can_hold_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="bool"):
        Keyset(Job.due_at.is_(None))


FOREIGN = {
    "empty": "", "no base64": "?", "letters": "ÄÖ", "no JSON": "MTIz_-", "no list": "e30",
    "a number": cursor_of(1), "too few": cursor_of([1]), "too many": cursor_of([1, "job_1", 2]),
    "of the release before": "MTc2NzIyNTYwMDAwMDAwMDphcnRfMDEyMzQ1Njc4OWFi",
    "types swapped": cursor_of(["job_1", 1]), "a flag": cursor_of([True, "job_1"]),
    "null": cursor_of([None, "job_1"]), "a fraction": cursor_of([1.5, "job_1"]),
    "NUL": cursor_of([1, "job\0"]), "half a surrogate pair": cursor_of([1, "\ud800"]),
    "beyond years": cursor_of([2**63 - 1, "job_1"]), "beyond numbers": cursor_of([2**70, "job_1"]),
    "deep": base64.urlsafe_b64encode(b"[" * 1000).decode(),
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_cursor_is_refused(database: Database, name: str) -> None:
    async with database.reading() as session:
        with pytest.raises(Problem, match="next_cursor") as refusal:
            await JOBS.page(session, select(Job), cursor=FOREIGN[name], limit=1)
    assert refusal.value.slug == "invalid-request"
    assert refusal.value.members["errors"][0]["field"] == "query.cursor"


async def test_a_number_beyond_the_database_is_refused(database: Database) -> None:
    async with database.reading() as session:
        with pytest.raises(Problem):
            await AUDIT.page(session, select(AuditEntry), cursor=cursor_of([2**63]), limit=1)
        page = await AUDIT.page(session, select(AuditEntry), cursor=cursor_of([2**63 - 1]), limit=1)
    assert page.items == []


@given(
    st.text(max_size=40)
    | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_whatever_comes_as_a_cursor_is_taken_or_refused(text: str) -> None:
    for order in (JOBS, OPERATORS, AUDIT):
        with suppress(Problem):
            order._behind(text)
