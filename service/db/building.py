"""Indexes that migrations build on tables of a running service, or drop."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import inspect, text

from alembic import op


def build_index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    """Build an index while others write to `table`; on PostgreSQL concurrently.

    There it commits what the migration has done, so call it where all before may be done again: what it had built
    by then is kept. Any other index of this name is built anew, as what an interrupted build left answers no query.
    """
    if _is_built(name, table, columns):
        return
    only = None if where is None else text(where)
    partly: dict[str, Any] = {"postgresql_where": only, "sqlite_where": only}
    drop_index(name, table)
    with _beside_others():
        op.create_index(name, table, columns, postgresql_concurrently=True, **partly)


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it is there, while others read `table`; on PostgreSQL it commits as `build_index`."""
    with _beside_others():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def _is_built(name: str, table: str, columns: list[str]) -> bool:
    """Whether it is there to its end, on these columns."""
    bind = op.get_bind()
    found = {each["name"]: each["column_names"] for each in inspect(bind).get_indexes(table)}
    if found.get(name) != columns:
        return False
    is_whole = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bind.dialect.name == "sqlite" or bool(bind.scalar(is_whole, {"name": name}))


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
