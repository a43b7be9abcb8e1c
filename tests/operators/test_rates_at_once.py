"""Two operators who enter the same exchange rate at once, on both databases."""

import asyncio
from datetime import date
from decimal import Decimal

from sqlalchemy import select

from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry, ExchangeRate
from service.operators.rates.changes import Pair, enter_rate
from service.settings import Settings
from tests.conftest import MovingClocks


async def test_each_tells_what_it_replaced(database: Database, settings: Settings) -> None:
    context, pair = (
        Context(settings, MovingClocks(), database),
        Pair("CHF", "EUR", date(2026, 1, 1)),
    )
    rates = [Decimal(number) for number in range(1, 6)]
    await asyncio.gather(*(enter_rate(context, pair, each, actor="op_1") for each in rates))
    async with database.reading() as session:
        entries = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
        (row,) = await session.scalars(select(ExchangeRate))
    assert [each.before for each in entries] == [None, *(each.after for each in entries[:-1])]
    assert entries[-1].after == {"rate": row.rate}
