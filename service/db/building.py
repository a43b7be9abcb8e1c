"""Indexes that migrations build on tables of a running service, or drop."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    drop_index(name, table)
    with _beside_others():
        op.create_index(name, table, columns, postgresql_concurrently=True, **partly)


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it is there, while others read `table`; on PostgreSQL it commits as `build_index`."""
    with _beside_others():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


@contextmanager
def _beside_others() -> Iterator[None]:
    """What is done concurrently on PostgreSQL: outside a transaction, and for as long as it takes."""
    if op.get_bind().dialect.name == "sqlite":
        yield
        return
    with op.get_context().autocommit_block():
        # It waits for every transaction that has begun before, and nobody waits behind it.
        waited = op.get_bind().scalar(text("SHOW lock_timeout"))
        op.execute("SET lock_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = '{waited}'")
