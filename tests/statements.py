"""Statements: seen by a test, and compiled once for all databases of a test process.

SQLAlchemy keeps what it has compiled with each engine, and nearly every test makes engines of its own:
without this a test's first requests take three times as long as their like in a process that serves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Compiled, Connection, Dialect, Engine, event
from sqlalchemy.util import LRUCache

_dialects: dict[str, Dialect] = {}
_compiled: LRUCache[Any, Compiled] = LRUCache(5_000)


@event.listens_for(Engine, "engine_connect")
def _share(connection: Connection) -> None:
    """A dialect is part of each statement's key, so connections of one driver get the same."""
    dialect = _dialects.setdefault(connection.dialect.driver, connection.dialect)
    if connection.dialect is not dialect:
        connection.dialect = connection.engine.dialect = dialect
    connection.engine._compiled_cache = _compiled


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any database is asked meanwhile; where transactions begin isn't told."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
