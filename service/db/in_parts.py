"""Old rows deleted or emptied by parts: however many have become old, other writers wait for a few of them."""

from typing import Any

from sqlalchemy import ColumnElement, Delete, Update, select, tuple_

from service.db.session import Database

AT_ONCE = 1_000
"""Rows of one transaction."""


async def in_parts(
    database: Database,
    change: Delete | Update,
    *conditions: ColumnElement[bool],
    at_once: int = AT_ONCE,
) -> None:
    """Change all rows that fit, each part in a transaction of its own. What is changed must no longer fit.

    The rows are looked for before the transaction, which on SQLite lets nobody else write.
    """
    table: Any = change.table
    names = table.primary_key.columns
    some, key = select(*names).where(*conditions).limit(at_once), tuple_(*names)
    while True:
        async with database.reading() as session:
            found = [tuple(row) for row in await session.execute(some)]
        if not found:
            return
        part = change.where(key.in_(found), *conditions)
        async with database.transaction() as session:
            await session.execute(part, execution_options={"synchronize_session": False})
