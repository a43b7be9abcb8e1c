"""The money of an invented multitude is as finance/ would have stored and linked it."""

from collections import Counter
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from service.db.base import Base
from service.db.load import load
from service.db.session import Database
from service.db.tables import BalanceRow, ChargeRow, InvoiceRow, Offer, PayoutRow
from service.demo.multitude import Multitude
from service.finance.links import link
from tests.databases import on_sqlite
from tests.finance.events import MONEY, kept

TODAY = date(2026, 3, 10)


@pytest.fixture
async def filled(database: Database) -> Database:
    for table, columns, rows in Multitude(150, TODAY).tables():
        if table in {Offer, *MONEY}:
            await load(database, table, columns, rows)
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
