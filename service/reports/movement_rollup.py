"""The movements of MRR added up by day, kept exactly consistent with their rows.

A row says as whose it was added up (`rolled_as`). Of readers with a row that is new, or that came to
another reader, the former sums are taken away and the present ones added, in one transaction with the
marks. Until then a figure adds the same difference itself, so no figure waits for this, whichever
release wrote the row and however late.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base
from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import CohortMonth, EdgeDay, MoneyDay, MovementRow, RightDay, Rollup
from service.reports.movement_sums import Edge, Money, Overlap, Right, Sums, change_of

NAME, VERSION = "movements", 3
READERS_AT_ONCE = {"sqlite": 500, "postgresql": 20_000}
"""Of one transaction. On SQLite other writers wait for these; the more, the more sums fall together."""
MOST_LEFT = 4_000
"""Rows that a figure adds up itself. Where more aren't rolled up yet it comes from all rows."""
_UNMARKED_AT_ONCE = 20_000
_KEY = "movement-rollup"
UNROLLED = or_(MovementRow.rolled_as.is_(None), MovementRow.rolled_as != MovementRow.customer)

log = structlog.get_logger()


async def roll_up_movements(
    context: Context, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Add up what isn't added up. Safe to repeat and to interrupt, anywhere and beside writers.

    `progress` gets the number of readers that were added up, again and again.
    """
    zone = context.settings.zone
    async with context.database.reading() as session:
        made = await session.get(Rollup, NAME)
        if made is not None and _fits(made, zone) and not await _left(session, 1):
            return
    if made is None or not _fits(made, zone):
        await begin_anew(context)
    done = 0
    while number := await _roll_some(context):
        done += number
        progress(done)
    log.info("movements.rolled_up", readers=done)


async def begin_anew(context: Context) -> None:
    """Forget what was added up. Figures come from the rows until it is done again."""
    database = context.database
    async with database.serialised(_KEY) as session:
        await session.execute(delete(Rollup).where(Rollup.name == NAME))
    while True:
        async with database.serialised(_KEY) as session:
            some = (
                select(MovementRow.subscription_id)
                .where(MovementRow.rolled_as.is_not(None))
                .limit(_UNMARKED_AT_ONCE)
            )
            ids = list(await session.scalars(some))
            if not ids:
                for table in (MoneyDay, RightDay, EdgeDay, CohortMonth):
                    await session.execute(delete(table))
                await session.merge(
                    Rollup(
                        name=NAME, zone=context.settings.zone.key, version=VERSION,
                        made_at=context.clocks.wall(),
                    )
                )  # fmt: skip
                return
            await session.execute(
                update(MovementRow)
                .where(MovementRow.subscription_id.in_(some))
                .values(rolled_as=None)
                .execution_options(synchronize_session=False)
            )


async def not_rolled_up(session: AsyncSession, home: ZoneInfo) -> Sums | None:
    """What is to be added to the rollup for all rows; None: there is none of this zone, or too much is."""
    made = await session.get(Rollup, NAME)
    if made is None or not _fits(made, home):
        return None
    left = await _left(session, MOST_LEFT + 1)
    if len(left) > MOST_LEFT:
        return None
    if not left:
        return Sums()
    rows = list(await session.scalars(select(MovementRow).where(MovementRow.customer.in_({*left}))))
    return await asyncio.to_thread(change_of, rows, home)


def _fits(made: Rollup, zone: ZoneInfo) -> bool:
    return (made.zone, made.version) == (zone.key, VERSION)


async def _left(session: AsyncSession, most: int) -> list[str]:
    """Whose rows aren't added up, a reader a row."""
    # In the order of the index of these rows: PostgreSQL takes almost all rows to be among them, since it can't
    # know that two columns are mostly the same, and would look for the first ones in the whole table.
    some = select(MovementRow.customer).where(UNROLLED).order_by(MovementRow.customer).limit(most)
    return list(await session.scalars(some))


async def _roll_some(context: Context) -> int:
    async with context.database.serialised(_KEY) as session:
        made = await session.get(Rollup, NAME)
        if made is None or not _fits(made, context.settings.zone):
            return 0  # another process begins anew
        whose = list(
            await session.scalars(
                select(MovementRow.customer)
                .where(UNROLLED)
                .distinct()
                .order_by(MovementRow.customer)
                .limit(READERS_AT_ONCE[context.database.dialect])
            )
        )
        if not whose:
            return 0
        rows = list(
            await session.scalars(
                select(MovementRow)
                .where(MovementRow.customer.in_(whose))
                .order_by(MovementRow.subscription_id, MovementRow.number)
            )
        )
        change = await asyncio.to_thread(change_of, rows, context.settings.zone)
        await _add(session, change)
        await _mark(session, rows)
    return len(whose)


async def _mark(session: AsyncSession, rows: list[MovementRow]) -> None:
    """With the values that were added up: another transaction may have changed them since."""
    row = MovementRow
    marks = [
        {"of_id": row.subscription_id, "of_number": row.number, "whose": row.customer}
        for row in rows
        if row.rolled_as != row.customer
    ]
    if marks:
        connection = await session.connection()
        await connection.execute(
            update(row)
            .where(row.subscription_id == bindparam("of_id"), row.number == bindparam("of_number"))
            .values(rolled_as=bindparam("whose")),
            marks,
        )


async def _add(session: AsyncSession, change: Sums) -> None:
    money = [
        (*key, number, change.net[key])
        for key, number in change.recurring.items()
        if number or change.net[key]
    ]
    rights = [(*key, number) for key, number in change.rights.items() if number]
    edges = [(*key, number) for key, number in change.readers.items() if number]
    cohorts = [(*key, number) for key, number in change.cohorts.items() if number]
    await upsert(session, MoneyDay, Money._fields, money, "recurring", "net")
    await upsert(session, RightDay, Right._fields, rights, "change")
    await upsert(session, EdgeDay, Edge._fields, edges, "readers")
    await upsert(session, CohortMonth, Overlap._fields, cohorts, "change")


async def upsert(
    session: AsyncSession,
    table: type[Base],
    keys: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    *sums: str,
) -> None:
    """Add rows of a rollup to those that are there."""
    name = table.__tablename__
    added = ", ".join(f"{each} = {name}.{each} + excluded.{each}" for each in sums)
    ending = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
    connection = await session.connection()
    await connection.run_sync(
        lambda sync: insert_rows(sync, table, (*keys, *sums), sorted(rows), ending)
    )
