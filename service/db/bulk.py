"""Many rows in one statement, in the driver's own terms: a tenth of what the usual way costs a row."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import chain
from typing import Any, cast

from sqlalchemy import Connection, Date, Table

from service.db.base import Base, Json, UtcDateTime

_MOST_IN_A_STEP = 64


def insert_rows(
    connection: Connection,
    table: type[Base],
    columns: tuple[str, ...],
    rows: Iterable[Sequence[Any]],
    ending: str = "",
) -> None:
    """Insert rows of values in the order of `columns`; `ending` is what follows, such as ON CONFLICT.

    Values are what both drivers take as they are, dates, aware datetimes, and for a column of JSON what
    JSON can say. `ending` comes from the code, never from outside.
    """
    dialect = connection.dialect.name
    times, values = _times(table, columns), _with_texts(rows, _documents(table, columns))
    if dialect == "sqlite":
        values = _as_stored(values, times) if times else values
        insert_stored(connection.exec_driver_sql, table, columns, values, ending)
    elif values:
        given = tuple(map(list, zip(*values, strict=True)))
        connection.exec_driver_sql(_from_arrays(table, columns, ending), given)


def insert_stored(
    execute: Callable[[str, tuple[Any, ...]], object],
    table: type[Base],
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
    ending: str = "",
) -> None:
    """SQLite: insert rows of what it stores, times and JSON as text (`stored_time`), by what executes a statement."""
    # One step of the database for many rows: after each, this thread would wait for the interpreter.
    # A few lengths alone, so that the driver keeps their statements.
    start, length = 0, _MOST_IN_A_STEP
    while start < len(rows):
        while length > len(rows) - start:
            length //= 2
        given = tuple(chain.from_iterable(rows[start : start + length]))
        execute(_into(table, columns, ending, length), given)
        start += length


def insert_objects(connection: Connection, objects: Iterable[Base]) -> None:
    """Insert new rows of any tables with the columns that are set, those first that others refer to."""
    by_table: dict[type[Base], list[dict[str, Any]]] = defaultdict(list)
    for each in objects:
        by_table[type(each)].append(each.__dict__)
    order = {table: place for place, table in enumerate(Base.metadata.sorted_tables)}
    for table in sorted(by_table, key=lambda each: order[cast("Table", each.__table__)]):
        columns = tuple(
            column.key
            for column in table.__table__.columns
            if all(column.key in values for values in by_table[table])
        )
        rows = [[values[name] for name in columns] for values in by_table[table]]
        insert_rows(connection, table, columns, rows)


def _with_texts(rows: Iterable[Sequence[Any]], places: tuple[int, ...]) -> list[Sequence[Any]]:
    """The rows with JSON as the drivers take it, as text."""
    if not places:
        return [*rows]
    found: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for place in places:
            if values[place] is not None:
                values[place] = json.dumps(values[place], ensure_ascii=False)
        found.append(values)
    return found


@cache
def _documents(table: type[Base], columns: tuple[str, ...]) -> tuple[int, ...]:
    """The places of values that are JSON."""
    kinds = [table.__table__.c[name].type for name in columns]
    return tuple(n for n, kind in enumerate(kinds) if isinstance(kind, Json))


@cache
def _times(table: type[Base], columns: tuple[str, ...]) -> tuple[int, ...]:
    """The places of values that are times."""
    kinds = [table.__table__.c[name].type for name in columns]
    return tuple(n for n, kind in enumerate(kinds) if isinstance(kind, UtcDateTime | Date))


@cache
def _from_arrays(table: type[Base], columns: tuple[str, ...], ending: str) -> str:
    """PostgreSQL's statement: an array a column, whose members are inserted in their order."""
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 a service on SQLite needs none of it

    kinds = [table.__table__.c[name].type.compile(postgresql.dialect()) for name in columns]  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(kinds, 1))
    into = f"{table.__tablename__} ({', '.join(columns)})"
    return f"INSERT INTO {into} SELECT * FROM unnest({arrays}) {ending}"  # noqa: S608 names from the code


@cache
def _into(table: type[Base], columns: tuple[str, ...], ending: str, length: int) -> str:
    """SQLite's statement for this number of rows."""
    row = f"({', '.join('?' * len(columns))})"
    rows = ", ".join([row] * length)
    return f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES {rows} {ending}"  # noqa: S608 names from the code


def _as_stored(rows: Iterable[Sequence[Any]], times: Iterable[int]) -> list[Sequence[Any]]:
    columns: list[Iterable[Any]] = [*zip(*rows, strict=True)]
    if columns:  # else there are no rows
        for place in times:
            columns[place] = _texts(columns[place])
    return [*zip(*columns, strict=True)]


def _texts(times: Iterable[date | None]) -> Iterator[str | None]:
    """Each as `stored_time`: rows that are written together have the same day and window, one after the other."""
    last: date | None = None
    text: str | None = None
    for each in times:
        if each != last:
            last, text = each, stored_time(each)
        yield text


def stored_time(value: date | None) -> str | None:
    """A time as SQLite has it, which is as SQLAlchemy's types write it (base.py); a datetime is a date, too."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "microseconds")[: -len("+00:00")]
    return value.isoformat() if value is not None else None
