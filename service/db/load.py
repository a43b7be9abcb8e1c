"""Many rows at once: COPY on PostgreSQL, one statement for many rows on SQLite."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import literal, select

from service.db.base import Base, Json
from service.db.bulk import insert_rows
from service.db.session import Database

AT_ONCE = 20_000
"""Rows of one transaction: other writers wait no longer than for these."""


async def load(
    database: Database,
    table: type[Base],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    goes_on: bool = False,
    at_once: int = AT_ONCE,
) -> AsyncIterator[int]:
    """Store the rows, whose values stand in the order of `columns`; yields how many are there, again and again.

    Other columns have their defaults in the database, else they are empty. What is stored before a
    failure stays: the same call with `goes_on` stores the rest.
    """
    store = _copy if database.dialect == "postgresql" else _insert
    count, left = 0, iter(rows)
    while goes_on and (piece := [*islice(left, at_once)]):
        goes_on = await _is_there(database, table, columns, piece[-1])
        if not goes_on:
            await store(database, table, columns, piece)
        count += len(piece)
        yield count
    while stored := await store(database, table, columns, islice(left, at_once)):
        count += stored
        yield count


async def _is_there(
    database: Database, table: type[Base], columns: Sequence[str], row: Sequence[Any]
) -> bool:
    """Whether the transaction that this row ends was committed."""
    values = dict(zip(columns, row, strict=True))
    key = [each == values[each.key] for each in table.__table__.primary_key]
    async with database.reading() as session:
        return await session.scalar(select(literal(1)).select_from(table).where(*key)) is not None


async def _insert(
    database: Database, table: type[Base], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    if values := [*rows]:
        async with database.transaction() as session:
            connection = await session.connection()
            await connection.run_sync(lambda sync: insert_rows(sync, table, tuple(columns), values))
    return len(values)


async def _copy(
    database: Database, table: type[Base], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """The rows are made while the database stores those before them."""
    types = table.__table__.columns
    # The driver's own way takes jsonb as text.
    as_text = [n for n, name in enumerate(columns) if isinstance(types[name].type, Json)]
    if as_text:
        rows = (_with_texts(row, as_text) for row in rows)
    async with database.transaction() as session:
        raw = await (await session.connection()).get_raw_connection()
        driver: Any = raw.driver_connection
        done: str = await driver.copy_records_to_table(
            table.__tablename__, columns=list(columns), records=rows
        )
    return int(done.removeprefix("COPY "))


def _with_texts(row: Sequence[Any], places: Sequence[int]) -> list[Any]:
    values = list(row)
    for place in places:
        values[place] = json.dumps(values[place])
    return values
