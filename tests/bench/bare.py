"""A new PostgreSQL database without its indexes while it is filled: to make them at the end takes a tenth of the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from service.db.session import Database

_AT_ONCE = 2
_KEYS = text("""
    SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
        AND relkind = 'r' AND NOT relispartition
    ORDER BY contype = 'f', conname
""")
"""Foreign keys last: they need what they point to."""
_INDEXES = text("""
    SELECT quote_ident(index.relname), pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class index ON index.oid = indexrelid
        JOIN pg_class its ON its.oid = indrelid
    WHERE its.relnamespace = 'public'::regnamespace AND its.relkind = 'r'
        AND NOT its.relispartition
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
""")


@asynccontextmanager
async def without_indexes(database: Database) -> AsyncIterator[None]:
    """Its tables have neither keys nor indexes in the meantime; those in parts keep theirs.

    Foreign keys come back unchecked: what they point to was made with them.
    """
    async with database.transaction() as session:
        keys = [*await session.execute(_KEYS)]
        indexes = [*await session.execute(_INDEXES)]
        for table, name, _ in reversed(keys):
            await session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE"))
        for name, _ in indexes:
            await session.execute(text(f"DROP INDEX {name}"))
    yield
    adding = [
        (
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
            definition.startswith("FOREIGN"),
        )
        for table, name, definition in keys
    ]
    unique = [statement for statement, is_foreign in adding if not is_foreign]
    left = [*(definition for _, definition in indexes), *unique]

    async def some() -> None:
        while left:
            await _run(database, left.pop())

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    for statement, is_foreign in adding:
        if is_foreign:
            await _run(database, f"{statement} NOT VALID")


async def _run(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        await session.execute(text(statement.replace(":", r"\:")))
