"""SQLite's driver: a statement goes once to the connection's thread, where aiosqlite goes four times.

To make a cursor, to execute, to fetch and to close are a way there and back each, and each way costs
more than most statements do. A transaction begins on the way of its first statement, and what rolls it
back takes no way at all. What is asked here is what SQLAlchemy asks of a driver.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Self, TypeVar

import aiosqlite

FETCHED_AT_ONCE = 200
"""Rows that come with the statement itself: what is streamed holds no more than that in memory."""
Row = tuple[Any, ...]
_T = TypeVar("_T")


class Connection(aiosqlite.Connection):
    """A connection whose cursors are `Cursor`, and that ends no transaction where none has begun."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=FETCHED_AT_ONCE)
        self._thread.daemon = True
        self.asked = self._done = 0  # each is counted in one thread alone
        self._begin = ""

    @property
    def is_idle(self) -> bool:
        """Whether its thread has nothing to do: a cancelled task leaves a statement to be executed."""
        return self.asked == self._done

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """What `work` answers in the connection's thread, after all that was asked before."""

        def counted() -> _T:
            try:
                return work()
            finally:
                self._done += 1

        self.asked += 1
        answer: _T = await self._execute(counted)  # type: ignore[no-untyped-call]
        return answer

    def cursor(self) -> "Cursor":  # type: ignore[override]  # nothing is made yet, so nothing awaited
        return Cursor(self)

    def begin_by(self, sql: str) -> None:
        """Begin a transaction by `sql`, right before its first statement."""
        self._begin = sql

    def take_begin(self) -> str:
        """What the next statement has to begin with, once."""
        sql, self._begin = self._begin, ""
        return sql

    async def commit(self) -> None:
        self._begin = ""
        await self.in_thread(self._conn.commit)

    async def rollback(self) -> None:
        self._begin = ""
        if not self.is_idle:
            await self.in_thread(self._conn.rollback)
        elif self.in_transaction:
            # With a write-ahead log it waits for no disk.
            self._conn.rollback()


class Cursor:
    """One statement and its rows."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        self._rows: list[Row] = []
        self._has_ended = True

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description if self._cursor else None

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount if self._cursor else -1

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid if self._cursor else None

    async def execute(self, sql: str, parameters: Any = ()) -> None:
        def run(cursor: sqlite3.Cursor) -> None:
            cursor.execute(sql, parameters)
            if cursor.description is not None:
                self._rows = cursor.fetchmany(FETCHED_AT_ONCE)

        await self._run(run)

    async def executemany(self, sql: str, parameters: Iterable[Any]) -> None:
        await self._run(lambda cursor: cursor.executemany(sql, parameters))

    async def _run(self, work: Callable[[sqlite3.Cursor], object]) -> None:
        self._has_ended, self._rows = False, []
        begin = self._connection.take_begin()

        def run() -> None:
            self._cursor = self._cursor or self._connection._conn.cursor()  # noqa: SLF001 its thread
            if begin:
                self._cursor.execute(begin)
            work(self._cursor)

        await self._connection.in_thread(run)
        self._has_ended = len(self._rows) < FETCHED_AT_ONCE

    async def fetchall(self) -> list[Row]:
        rows, self._rows = self._rows, []
        if not self._has_ended and self._cursor:
            rows += await self._connection.in_thread(self._cursor.fetchall)
            self._has_ended = True
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        wanted = size or self.arraysize
        if len(self._rows) < wanted and not self._has_ended and self._cursor:
            cursor, missing = self._cursor, max(wanted - len(self._rows), FETCHED_AT_ONCE)
            more = await self._connection.in_thread(lambda: cursor.fetchmany(missing))
            self._has_ended = len(more) < missing
            self._rows += more
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchone(self) -> Row | None:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def __aiter__(self) -> AsyncIterator[Row]:
        while rows := await self.fetchmany(FETCHED_AT_ONCE):
            for row in rows:
                yield row

    async def close(self) -> None:
        self._rows = []
        if not self._has_ended:
            await self._connection.in_thread(self._close)
            self._has_ended = True
        elif self._cursor:
            self._close()

    def _close(self) -> None:
        if self._cursor:
            self._cursor.close()


def connect(database: str, **options: Any) -> Connection:
    """For SQLAlchemy's `async_creator_fn`."""
    return Connection(lambda: sqlite3.connect(database, **options))
