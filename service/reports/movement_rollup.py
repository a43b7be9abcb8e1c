"""The movements of MRR added up by day, as reader_rollup.py does it; `rolled_as` says as whose."""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import CohortMonth, EdgeDay, MoneyDay, MovementRow, RightDay
from service.reports.movement_sums import Edge, Money, Overlap, Right, Sums, change_of
from service.reports.reader_rollup import Marks, ReaderRollup, add_money, add_numbers, mark_of


async def _change(
    _: AsyncSession, rows: Sequence[MovementRow], zone: ZoneInfo
) -> tuple[Sums, Marks]:  # fmt: skip
    marks = [
        mark_of(row, rolled_as=row.customer) for row in rows if row.rolled_as != row.customer
    ]  # fmt: skip
    return await asyncio.to_thread(change_of, rows, zone), marks


async def _add(session: AsyncSession, change: Sums) -> None:
    await add_money(session, MoneyDay, Money._fields, change.recurring, change.net)
    await add_numbers(session, RightDay, Right._fields, change.rights, "change")
    await add_numbers(session, EdgeDay, Edge._fields, change.readers, "readers")
    await add_numbers(session, CohortMonth, Overlap._fields, change.cohorts, "change")


MOVEMENTS = ReaderRollup(
    name="movements",
    version=3,
    lock="movement-rollup",
    event="movements.rolled_up",
    left=or_(MovementRow.rolled_as.is_(None), MovementRow.rolled_as != MovementRow.customer),
    mark=MovementRow.rolled_as,
    marks=("rolled_as",),
    tables=(MoneyDay, RightDay, EdgeDay, CohortMonth),
    at_once={"sqlite": 500, "postgresql": 20_000},
    locks_rows=False,
    nothing=Sums,
    change=_change,
    add=_add,
)
