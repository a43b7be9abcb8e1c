"""A new PostgreSQL database without its indexes while it is filled: to make them at the end takes a tenth of the time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from service.db.session import Database

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
    """Its tables have neither keys nor indexes in the meantime; those in parts keep theirs."""
    async with database.transaction() as session:
        keys = [*await session.execute(_KEYS)]
        indexes = [*await session.execute(_INDEXES)]
        for table, name, _ in reversed(keys):
            await session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE"))
        for name, _ in indexes:
            await session.execute(text(f"DROP INDEX {name}"))
    yield
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        for _, definition in indexes:
            await session.execute(text(definition.replace(":", r"\:")))
        for table, name, definition in keys:
            await session.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"))
