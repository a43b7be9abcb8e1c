"""Indexes that migrations build on tables of a running service."""

from typing import Any

from sqlalchemy import text

from alembic import op


def build_index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    """Build an index while others write to `table`; on PostgreSQL concurrently.

    There it commits what the migration has done, so call it where all before may be done again.
    An index of this name is built anew: what an interrupted build left would answer no query.
    """
    only = None if where is None else text(where)
    partly: dict[str, Any] = {"postgresql_where": only, "sqlite_where": only}
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(name, table, if_exists=True)
        op.create_index(name, table, columns, **partly)
        return
    with op.get_context().autocommit_block():
        # It waits for every transaction that has begun before, and nobody waits behind it.
        waited = op.get_bind().scalar(text("SHOW lock_timeout"))
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **partly)
        op.execute(f"SET lock_timeout = '{waited}'")
