"""Many rows at once: COPY on PostgreSQL, one statement for many rows on SQLite."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import insert

from service.db.base import Base, Json
from service.db.session import Database

AT_ONCE = 20_000
"""Rows of one transaction: other writers wait no longer than for these."""


async def load(
    database: Database, table: type[Base], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Store the rows, whose values stand in the order of `columns`; answers how many there were.

    Other columns have their defaults in the database, else they are empty. What is stored before a
    failure stays.
    """
    count, left = 0, iter(rows)
    while piece := list(islice(left, AT_ONCE)):
        if database.dialect == "postgresql":
            await _copy(database, table, columns, piece)
        else:
            async with database.transaction() as session:
                values = [dict(zip(columns, row, strict=True)) for row in piece]
                await session.execute(insert(table), values)
        count += len(piece)
    return count


async def _copy(
    database: Database, table: type[Base], columns: Sequence[str], rows: list[Sequence[Any]]
) -> None:
    types = table.__table__.columns
    # The driver's own way takes jsonb as text.
    as_text = [n for n, name in enumerate(columns) if isinstance(types[name].type, Json)]
    if as_text:
        rows = [[json.dumps(v) if n in as_text else v for n, v in enumerate(row)] for row in rows]
    async with database.transaction() as session:
        raw = await (await session.connection()).get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.copy_records_to_table(table.__tablename__, columns=list(columns), records=rows)
