"""The money of an invented multitude is as finance/ would have stored and linked it."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import func, select

from service.billing.movement_rows import movement_row, movements_of
from service.billing.movements import Movement, Step, movements_of_step
from service.clock import Clocks
from service.db.base import Base
from service.db.context import Context
from service.db.load import load
from service.db.session import Database
from service.db.tables import BalanceRow, ChargeRow, InvoiceRow, MovementRow, Offer, PayoutRow
from service.demo.multitude import VERSION, Multitude
from service.demo.multitude_fill import invent, unfinished
from service.finance.links import link
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.finance.events import MONEY, kept

TODAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def context(settings: Settings, clocks: Clocks, database: Database) -> Context:
    return Context(settings, clocks, database)


@pytest.fixture
async def filled(database: Database) -> Database:
    for table, columns, rows in Multitude(150, TODAY).tables():
        if table in {Offer, *MONEY}:
            async for _ in load(database, table, columns, rows):
                pass
    return database


@on_sqlite
async def test_there_is_money_of_each_kind(filled: Database) -> None:
    tables = await kept(filled)
    assert all(tables.values())
    charges = Counter(row["status"] for row in tables["charges"].values())
    assert charges["succeeded"] > charges["failed"] > 10
    assert {row["status"] for row in tables["invoices"].values()} == {
        "paid", "open", "uncollectible",
    }  # fmt: skip
    assert {row["category"] for row in tables["balance_entries"].values()} >= {
        "charge", "refund", "payout",
    }  # fmt: skip


@on_sqlite
async def test_linking_changes_nothing(filled: Database) -> None:
    before = await kept(filled)
    async with filled.transaction() as session:
        await link(session, sorted(before["charges"])[::20])
    assert await kept(filled) == before


@on_sqlite
async def test_it_adds_up(filled: Database) -> None:
    """Paid invoices are their charges, moves are their charges', and payouts what moved."""
    moves, charges = await all_of(filled, BalanceRow), await all_of(filled, ChargeRow)
    paid = {each.invoice_id: each.amount for each in charges if each.status == "succeeded"}
    invoices = await all_of(filled, InvoiceRow)
    assert paid == {each.id: each.amount_paid for each in invoices if each.status == "paid"}
    taken = {each.charge_id: each.amount for each in moves if each.category == "charge"}
    assert taken == {each.id: each.amount for each in charges if each.status == "succeeded"}
    assert all(each.net == each.amount - each.fee for each in moves)
    parts: Counter[str] = Counter()
    for each in moves:
        if each.payout_id is not None and each.category != "payout":
            parts[each.payout_id] += each.net
    assert parts == {each.id: each.amount for each in await all_of(filled, PayoutRow)}


async def all_of(database: Database, table: type[Base]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.scalars(select(table)))


def test_its_rows_are_those_of_its_version() -> None:
    """What an earlier release began goes on with the same rows, or not at all."""
    digest = sha256()
    for table, columns, rows in Multitude(30, TODAY).tables():
        digest.update(repr((table.__tablename__, *columns)).encode())
        for row in rows:
            digest.update(repr(tuple(row)).encode())
    assert (VERSION, digest.hexdigest()[:16]) == (3, "302cad1966ab16b4"), (
        "the rows have changed: raise VERSION, and put both here"
    )


class Interrupted(Exception):
    """As by Ctrl-C."""


async def test_what_was_interrupted_goes_on(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """Within a table and between two; a later day and another number change nothing."""
    clocks.time = datetime.combine(TODAY, time(9), UTC)

    def stop_at(line: str) -> None:
        if line.startswith("invoices"):
            raise Interrupted

    with pytest.raises(Interrupted):
        await invent(context, 60, stop_at)
    clocks.travel(timedelta(days=3))
    begun = await unfinished(context)
    assert begun == Multitude(60, TODAY)
    said: list[str] = []
    await invent(context, 10, said.append)
    assert await unfinished(context) is None
    sizes: Counter[str] = Counter()
    for table, _, rows in Multitude(60, TODAY).tables():
        sizes[table.__tablename__] += len([*rows])
    async with database.reading() as session:
        for table in {each for each, *_ in Multitude(60, TODAY).tables()}:
            count = await session.scalar(select(func.count()).select_from(table))
            assert count == sizes[table.__tablename__], table


async def test_the_rest_of_a_table_is_stored(database: Database) -> None:
    rows = [(f"po_{n}", 1, "EUR", "paid", "", True, NOW, NOW, NOW) for n in range(7)]
    columns = (
        "id", "amount", "currency", "status", "failure", "is_automatic", "created_at", "arrives_at",
        "asked_at",
    )  # fmt: skip
    async for count in load(database, PayoutRow, columns, rows, at_once=2):
        if count == 4:
            break
    again = [n async for n in load(database, PayoutRow, columns, rows, goes_on=True, at_once=2)]
    assert again == [2, 4, 6, 7]
    assert len(await all_of(database, PayoutRow)) == 7


def test_movements_are_those_that_are_written() -> None:
    """Of each reader in the order of time: the kind, and what it begins with, are what `movements` would record."""
    ((columns, made),) = (
        (columns, [*rows])
        for table, columns, rows in Multitude(200, TODAY).tables()
        if table is MovementRow
    )
    stored = [MovementRow(**dict(zip(columns, row, strict=True))) for row in made]
    last: dict[str, Movement] = {}
    theirs: defaultdict[str, list[Movement]] = defaultdict(list)
    numbers: Counter[str] = Counter()
    for row in sorted(stored, key=lambda each: each.at):
        (told,) = movements_of([row])
        before = last.get(row.subscription_id)
        others = [
            each for each in theirs[row.customer] if each.subscription_id != row.subscription_id
        ]
        step = Step(told.subscription_id, told.at, told.after, told.cause, told.discounts)
        (written,) = movements_of_step(step, before, others)
        assert told == written
        numbers[row.subscription_id] += 1
        again = movement_row(written, numbers[row.subscription_id], row.customer)
        assert [getattr(again, each) for each in columns] == [
            getattr(row, each) for each in columns
        ]
        last[row.subscription_id] = written
        theirs[row.customer].append(written)
    kinds = {each.kind for each in last.values()}
    assert kinds == {"new", "reactivation", "churn_voluntary", "churn_involuntary"}
