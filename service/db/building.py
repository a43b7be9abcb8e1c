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
    if _is_built(name, table, columns, where):
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


def _is_built(name: str, table: str, columns: list[str], where: str | None) -> bool:
    """Whether it is there to its end, on these columns and rows."""
    bind = op.get_bind()
    found = {each["name"]: each for each in inspect(bind).get_indexes(table)}.get(name)
    if found is None or found["column_names"] != columns:
        return False
    if bind.dialect.name == "sqlite":
        only = found.get("dialect_options", {}).get("sqlite_where")
        return where == (None if only is None else str(only))
    stored = "SELECT indisvalid, {} FROM pg_index WHERE indexrelid = to_regclass(:name)"
    is_whole, only = bind.execute(text(stored.format(_PREDICATE)), {"name": name}).one()
    return bool(is_whole) and only == _as_stored(table, where)


_PREDICATE = "pg_get_expr(indpred, indrelid)"


def _as_stored(table: str, where: str | None) -> str | None:
    """A predicate as PostgreSQL words it, which only an index tells: here one of an empty table with the same columns."""
    if where is None:
        return None
    bind = op.get_bind()
    bind.exec_driver_sql(f"CREATE TEMPORARY TABLE same_columns (LIKE {table})")
    bind.exec_driver_sql(f"CREATE INDEX same_rows ON same_columns ((true)) WHERE {where}")
    stored = f"SELECT {_PREDICATE} FROM pg_index WHERE indexrelid = 'pg_temp.same_rows'::regclass"  # noqa: S608 our own words
    found: str | None = bind.exec_driver_sql(stored).scalar()
    bind.exec_driver_sql("DROP TABLE pg_temp.same_columns")
    return found


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
