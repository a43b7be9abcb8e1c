"""The database: sessions, and the only place that commits.

One request, one transaction, committed before the answer leaves (docs/decisions/
one-transaction.md). On SQLite one writes at a time, so writers of a process queue in fair order;
PostgreSQL serves both kinds from one pool.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar, get_args
from weakref import WeakValueDictionary

import structlog
from fastapi import Depends
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.db.engines import (
    POOL_WAIT_SECONDS,
    async_url,
    batch_engine,
    end_long_statements,
    postgresql_engine,
    postgresql_look,
    sqlite_engine,
)
from service.db.failures import (
    NoTurn,
    database_unavailable,
    ended_in_time,
    past_deadlocks,
    translated,
)
from service.db.turns import take_key
from service.eager import in_task, noticed
from service.running import part

log = structlog.get_logger()
_T = TypeVar("_T")

LONGEST_STATEMENT_SECONDS = 15.0
"""PostgreSQL: a server that fell silent would otherwise hold a request for ever."""
LONGEST_LOOK_SECONDS = 3.0
"""For questions about the state of things, which a balancer or a monitor asks, and about somebody who waits at a wall."""
LONGEST_BATCH_SECONDS = 3.5
"""PostgreSQL: readers wait for their count, and are better told to come again within five seconds, of which one may have
gone before (access/openings.py).
"""
LONGEST_SILENCE_SECONDS = 2.5
"""PostgreSQL: a reader who has waited for a while asks whether it is there (db/in_time.py), and is told within five seconds."""
Slow = Literal["reports", "search"]
"""Kinds of queries that may take long: figures, lists and exports; and what anybody may search for."""
SLOW_AT_ONCE = 3
"""Of each kind, in one process. PostgreSQL's pool has room for many more."""
_SLOW_SHARE = 2 / 3
"""Of what a statement may take, for one of these: the database ends it, before the driver gives its connection up."""
_FOR_SLOW = (
    "SELECT set_config('statement_timeout', CAST(CAST(:ms AS integer) AS text), true),"
    # To compile a statement takes longer than most of them do.
    " set_config('jit', 'off', true),"
    # Of a sort or a hash: with the usual 4 MB a year of rows is sorted on disk.
    " set_config('work_mem', '64MB', true)"
)
"""What PostgreSQL is told in a transaction of these, in one way there and back."""


class Database:
    """Engines of one database; `dialect` is `sqlite` or `postgresql`.

    `patience` in seconds is how long PostgreSQL may take for one statement.
    """

    def __init__(self, url: str, *, patience: float = LONGEST_STATEMENT_SECONDS) -> None:
        self.url = async_url(url)
        self.dialect = make_url(self.url).get_backend_name()
        if self.dialect == "sqlite":
            self._writing = sqlite_engine(self.url, writer=True)
            self._reading = sqlite_engine(self.url, writer=False)
            self._batches = batch_engine(self.url)
            self._batching = _new_batching()
            self._turn = asyncio.Lock()
        else:
            self._writing = self._reading = postgresql_engine(self.url, patience)
            self._longest_silence = min(patience, LONGEST_SILENCE_SECONDS)
            self._lookout = postgresql_look(self.url, self._longest_silence)
            self._looking: asyncio.Task[bool] | None = None
            self._committing_each = self._writing.execution_options(isolation_level="AUTOCOMMIT")
        self.is_shared = self.dialect != "sqlite"
        """Whether several processes may serve by it."""
        # Weak: a lock is gone with the last of those who hold it or wait for it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        sqlite = self.dialect == "sqlite"
        most = SLOW_AT_ONCE * len(get_args(Slow))
        self._slow = sqlite_engine(self.url, size=most) if sqlite else self._reading
        self._longest_slow = patience * _SLOW_SHARE
        if sqlite:
            end_long_statements(self._slow.sync_engine, self._longest_slow)
        self._room = {kind: asyncio.Semaphore(SLOW_AT_ONCE) for kind in get_args(Slow)}
        self._longest_wait = min(patience, POOL_WAIT_SECONDS)
        self._longest_batch = min(patience, LONGEST_BATCH_SECONDS)
        self._longest_look = min(patience, LONGEST_LOOK_SECONDS)
        self._left: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write: committed at the end, rolled back on an exception."""
        await in_task()
        async with (
            self._writers_turn(),
            translated(),
            AsyncSession(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    async def past_deadlocks(self, work: Callable[[AsyncSession], Awaitable[_T]]) -> _T:
        """What `work` answers in a transaction of its own, done anew where PostgreSQL ended it for a deadlock."""

        async def attempt() -> _T:
            async with self.transaction() as session:
                return await work(session)

        return await past_deadlocks(attempt)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for queries alone."""
        await in_task()
        async with translated(), AsyncSession(self._reading, expire_on_commit=False) as session:
            yield session

    async def at_once(self, ask: Callable[[AsyncSession], Awaitable[_T]]) -> _T:
        """What `ask` finds within a few seconds, or Problem `database-unavailable`."""

        async def asked() -> _T:
            async with self.reading() as session:
                return await ask(session)

        return await self.in_time(asked())

    async def is_silent(self) -> bool:
        """Whether it takes a question and answers nothing for a few seconds. It is asked once for all who wait for that."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> bool:
        async def ask() -> None:
            async with self._lookout.connect() as connection:
                await connection.execute(text("SELECT 1"))

        asking = asyncio.create_task(ask())
        self._left.add(asking)
        asking.add_done_callback(self._ended)
        try:
            await asyncio.wait({asking}, timeout=self._longest_silence)
            # An error is an answer, too: those who wait get one of their own.
            return not asking.done() or isinstance(asking.exception(), TimeoutError)
        finally:
            asking.cancel()
            self._looking = None

    async def in_time(self, work: Coroutine[Any, Any, _T], seconds: float | None = None) -> _T:
        """What `work` answers within `seconds`, or a few, else Problem `database-unavailable`.

        A server that fell silent holds up even the end of what is cancelled, which is therefore left to itself.
        """
        longest = self._longest_look if seconds is None else seconds
        working = asyncio.create_task(work)
        self._left.add(working)
        working.add_done_callback(self._ended)
        try:
            await asyncio.wait({working}, timeout=longest)
            if working.done():
                return working.result()
        finally:
            working.cancel()
        log.warning("database.silent", seconds=longest)
        raise database_unavailable()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        noticed(task)  # it was raised to who asked, or came too late for that

    async def in_one_go(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` answers, which is done in one transaction, committed at its end.

        Its statements follow each other without a way back to the event loop, which costs more than
        most of them do. On SQLite it takes its turn among the writers, and has a thread of its own.
        On PostgreSQL it may take a few seconds, or it is `database-unavailable`.
        """
        if self.dialect == "postgresql":
            return await self.in_time(_done(self._writing.begin(), work), self._longest_batch)
        async with translated(), self._writers_turn():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._batching, self._write_batch, work)

    async def by_statement(self, work: Callable[[Connection], _T]) -> _T:
        """As `in_one_go`, but on PostgreSQL each statement is committed by itself: for work of which one
        statement changes something. A transaction would take two more ways to the server.
        """
        if self.dialect == "sqlite":
            return await self.in_one_go(work)
        return await self.in_time(_done(self._committing_each.connect(), work), self._longest_batch)

    @asynccontextmanager
    async def _writers_turn(self) -> AsyncIterator[None]:
        """SQLite: one writer at a time, in fair order, instead of SQLite's polling."""
        if self.dialect != "sqlite":
            yield
            return
        try:
            async with asyncio.timeout(POOL_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise database_unavailable() from None
        try:
            yield
        finally:
            self._turn.release()

    def _write_batch(self, work: Callable[[Connection], _T]) -> _T:
        with self._batches.begin() as connection:
            try:
                return work(connection)
            except sqlite3.Error as error:  # of the driver, which a batch may use as it is
                raise DBAPIError.instance(None, None, error, sqlite3.Error) from error

    @asynccontextmanager
    async def slow_reading(self, kind: Slow) -> AsyncIterator[AsyncSession]:
        """A session for queries that may take long. All of them see the same state of the database.

        A few of a kind run at once and others of it wait, so that they never hold the connections
        that a reader needs to read. Raises NoTurn after a long wait, and Problem
        `takes-too-long` where a statement does. Not to be nested: who holds one may wait for the
        other for ever.
        """
        room = self._room[kind]
        try:
            async with asyncio.timeout(self._longest_wait):
                await room.acquire()
        except TimeoutError:
            log.warning("database.slow_queries", kind=kind, at_once=SLOW_AT_ONCE)
            raise NoTurn from None
        try:
            async with (
                translated(),
                ended_in_time(),
                AsyncSession(self._slow, expire_on_commit=False) as session,
            ):
                if self.dialect == "postgresql":
                    await session.connection(
                        execution_options={"isolation_level": "REPEATABLE READ"}
                    )
                    await session.execute(text(_FOR_SLOW), {"ms": int(self._longest_slow * 1000)})
                yield session
        finally:
            room.release()

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """A turn among those with the same key for work that takes several transactions of its own.

        As `serialised`, but others write meanwhile. On PostgreSQL it holds a connection, and the work needs another.
        """
        if self.dialect == "sqlite":
            async with self._turns.setdefault(key, asyncio.Lock()):
                yield
            return
        async with self.reading() as session:
            await take_key(session, key)
            yield

    @asynccontextmanager
    async def serialised(self, key: str) -> AsyncIterator[AsyncSession]:
        """A transaction that waits for its turn among those with the same key.

        On PostgreSQL the key is locked over all processes, on SQLite in the one serving process,
        where the writer is taken too: ask Stripe before or afterwards.
        """
        if self.dialect == "sqlite":
            turn = self._turns.setdefault(key, asyncio.Lock())
            async with turn, self.transaction() as session:
                yield session
            return
        async with self.transaction() as session:
            await take_key(session, key)
            yield session

    async def dispose(self) -> None:
        """Close what is open. It can be used again: a lone server prepares the database it then serves by."""
        await self._slow.dispose()
        await self._writing.dispose()
        await self._reading.dispose()
        if self.dialect == "sqlite":
            self._batching.shutdown(wait=True)
            self._batching = _new_batching()
            self._batches.dispose()


def _new_batching() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="batches")


async def _done(
    connecting: AbstractAsyncContextManager[AsyncConnection], work: Callable[[Connection], _T]
) -> _T:
    async with translated(), connecting as connection:
        return await connection.run_sync(work)


AppDatabase = Annotated[Database, Depends(part(Database))]


async def transaction(database: AppDatabase) -> AsyncIterator[AsyncSession]:
    """The request's transaction."""
    async with database.transaction() as session:
        yield session


async def reading(database: AppDatabase) -> AsyncIterator[AsyncSession]:
    """A session for a request that only reads."""
    async with database.reading() as session:
        yield session


async def reporting(database: AppDatabase) -> AsyncIterator[AsyncSession]:
    """A session for the lists and figures of the back office."""
    async with database.slow_reading("reports") as session:
        yield session


# scope="function": the commit is done before the answer leaves, not after it (FastAPI's default).
WriteSession = Annotated[AsyncSession, Depends(transaction, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(reading, scope="function")]
ReportSession = Annotated[AsyncSession, Depends(reporting, scope="function")]
