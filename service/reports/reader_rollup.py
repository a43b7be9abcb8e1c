"""Movements of MRR added up by day, kept exactly consistent with their rows: what all such roll-ups have in common.

A row's mark says as whose it was added up. Of readers with a row that is new, or that came to another reader, the
former sums are taken away and the present ones added, in one transaction with the marks. Until then a figure adds
the same difference itself, so no figure waits for this, whichever release wrote the row and however late.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.db.base import Base
from service.db.bulk import insert_rows
from service.db.context import Context
from service.db.tables import MovementRow, Rollup

MOST_LEFT = 4_000
"""Rows that a figure adds up itself. Where more aren't rolled up yet it comes from all rows."""
_UNMARKED_AT_ONCE = 20_000
S = TypeVar("S")
Marks = list[dict[str, Any]]
"""What each row gets that isn't marked yet, by the names of its columns."""

log = structlog.get_logger()


@dataclass(frozen=True)
class ReaderRollup(Generic[S]):
    """One roll-up. `left` are the rows that aren't in it; `marks` the columns that say what was added up."""

    name: str
    version: int
    lock: str
    event: str
    left: ColumnElement[bool]
    mark: InstrumentedAttribute[str | None]
    marks: tuple[str, ...]
    tables: tuple[type[Base], ...]
    at_once: Mapping[str, int]
    """Readers of one transaction, by database. On SQLite other writers wait for these; the more, the more sums
    fall together.
    """
    locks_rows: bool
    """Whether who writes these rows waits, so that what is looked up for them holds."""
    nothing: Callable[[], S]
    change: Callable[[AsyncSession, Sequence[MovementRow], ZoneInfo], Awaitable[tuple[S, Marks]]]
    """What all rows of some readers add, less what they added before; and their marks."""
    add: Callable[[AsyncSession, S], Awaitable[None]]

    async def roll_up(
        self, context: Context, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Add up what isn't added up. Safe to repeat and to interrupt, anywhere and beside writers.

        `progress` gets the number of readers that were added up, again and again.
        """
        zone = context.settings.zone
        async with context.database.reading() as session:
            is_made = await self._is_made(session, zone)
            if is_made and not await self._left(session, 1):
                return
        if not is_made:
            await self.begin_anew(context)
        done = 0
        while number := await self._roll_some(context):
            done += number
            progress(done)
        log.info(self.event, readers=done)

    async def begin_anew(self, context: Context) -> None:
        """Forget what was added up. Figures come from the rows until it is done again."""
        async with context.database.serialised(self.lock) as session:
            await session.execute(delete(Rollup).where(Rollup.name == self.name))
        while True:
            async with context.database.serialised(self.lock) as session:
                some = (
                    select(MovementRow.subscription_id)
                    .where(self.mark.is_not(None))
                    .limit(_UNMARKED_AT_ONCE)
                )
                if not list(await session.scalars(some)):
                    await self._begin(session, context)
                    return
                await session.execute(
                    update(MovementRow)
                    .where(MovementRow.subscription_id.in_(some))
                    .values({self.mark.key: None})
                    .execution_options(synchronize_session=False)
                )

    async def _begin(self, session: AsyncSession, context: Context) -> None:
        for table in self.tables:
            await session.execute(delete(table))
        zone, now = context.settings.zone.key, context.clocks.wall()
        await session.merge(Rollup(name=self.name, zone=zone, version=self.version, made_at=now))

    async def missing(self, session: AsyncSession, home: ZoneInfo) -> S | None:
        """What is to be added to the rollup for all rows; None: there is none of this zone, or too much is."""
        if not await self._is_made(session, home):
            return None
        left = await self._left(session, MOST_LEFT + 1)
        if len(left) > MOST_LEFT:
            return None
        if not left:
            return self.nothing()
        theirs = select(MovementRow).where(MovementRow.customer.in_({*left}))
        change, _ = await self.change(session, list(await session.scalars(theirs)), home)
        return change

    async def _is_made(self, session: AsyncSession, zone: ZoneInfo) -> bool:
        made = await session.get(Rollup, self.name)
        return made is not None and (made.zone, made.version) == (zone.key, self.version)

    async def _left(self, session: AsyncSession, most: int) -> list[str]:
        """Whose rows aren't added up, a reader a row."""
        # In the order of the index of these rows: PostgreSQL takes almost all rows to be among them, since it
        # can't know that two columns are mostly the same, and would look for the first ones in the whole table.
        some = select(MovementRow.customer).where(self.left).order_by(MovementRow.customer)
        return list(await session.scalars(some.limit(most)))

    async def _roll_some(self, context: Context) -> int:
        async with context.database.serialised(self.lock) as session:
            if not await self._is_made(session, context.settings.zone):
                return 0  # another process begins anew
            some = select(MovementRow.customer).where(self.left).distinct()
            at_once = self.at_once[context.database.dialect]
            whose = list(await session.scalars(some.order_by(MovementRow.customer).limit(at_once)))
            if not whose:
                return 0
            theirs = (
                select(MovementRow)
                .where(MovementRow.customer.in_(whose))
                .order_by(MovementRow.subscription_id, MovementRow.number)
            )
            if self.locks_rows:
                theirs = theirs.with_for_update()
            rows = list(await session.scalars(theirs.execution_options(populate_existing=True)))
            change, marks = await self.change(session, rows, context.settings.zone)
            await self.add(session, change)
            await self._mark(session, marks)
        return len(whose)

    async def _mark(self, session: AsyncSession, marks: Marks) -> None:
        """With the values that were added up: another transaction may have changed them since."""
        if not marks:
            return
        row = MovementRow
        connection = await session.connection()
        await connection.execute(
            update(row)
            .where(row.subscription_id == bindparam("of_id"), row.number == bindparam("of_number"))
            .values({name: bindparam(f"new_{name}") for name in self.marks}),
            [{f"new_{name}" if name in self.marks else name: each[name] for name in each} for each in marks],
        )  # fmt: skip


def mark_of(row: MovementRow, **values: object) -> dict[str, Any]:
    """One of `Marks`."""
    return {"of_id": row.subscription_id, "of_number": row.number, **values}


async def add_money(
    session: AsyncSession, table: type[Base], keys: tuple[str, ...], recurring: Counter[Any],
    net: Counter[Any],
) -> None:  # fmt: skip
    """Amounts that aren't 0."""
    rows = [(*key, number, net[key]) for key, number in recurring.items() if number or net[key]]
    await _upsert(session, table, keys, rows, "recurring", "net")


async def add_numbers(
    session: AsyncSession, table: type[Base], keys: tuple[str, ...], numbers: Counter[Any],
    column: str,
) -> None:  # fmt: skip
    """Numbers that aren't 0."""
    rows = [(*key, number) for key, number in numbers.items() if number]
    await _upsert(session, table, keys, rows, column)


async def _upsert(
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
