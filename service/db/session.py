"""The database: engines, and the only place that commits.

One request, one transaction, committed before the answer leaves (docs/decisions/
one-transaction.md). On SQLite one writes at a time, so writers of a process queue in fair order;
PostgreSQL serves both kinds from one pool.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import Annotated, Any, Literal, TypeVar, get_args
from weakref import WeakValueDictionary

import structlog
from fastapi import Depends
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    NotSupportedError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from service.db import sqlite_driver
from service.eager import in_task
from service.problems import Problem
from service.running import part

log = structlog.get_logger()
_T = TypeVar("_T")

BUSY_TIMEOUT_MS = 20_000
POOL_WAIT_SECONDS = 10
FRESH_SECONDS = 1.0
"""PostgreSQL: so lately used, a connection is believed to work. If it doesn't, one request is told to come again."""
LONGEST_STATEMENT_SECONDS = 15.0
"""PostgreSQL: a server that fell silent would otherwise hold a request for ever."""
LONGEST_BATCH_SECONDS = 5.0
"""PostgreSQL: readers wait for their count, and are better told to come again."""
RETRY_AFTER_SECONDS = "5"
Slow = Literal["reports", "search"]
"""Kinds of queries that may take long: figures, lists and exports; and what anybody may search for."""
SLOW_AT_ONCE = 3
"""Of each kind, in one process. PostgreSQL's pool has room for many more."""
LONGEST_SLOW_SECONDS = 10.0
"""Of one statement among these: the database ends it, before the driver gives its connection up."""
_LOOKED_AT_EVERY = 10_000
"""SQLite looks at the clock after as many steps of its machine: some hundred times a second."""
_CANCELLED = "57014"
_FOR_SLOW = (
    "SELECT set_config('statement_timeout', CAST(CAST(:ms AS integer) AS text), true),"
    # To compile a statement takes longer than most of them do.
    " set_config('jit', 'off', true),"
    # Of a sort or a hash: with the usual 4 MB a year of rows is sorted on disk.
    " set_config('work_mem', '64MB', true)"
)
"""What PostgreSQL is told in a transaction of these, in one way there and back."""


def async_url(url: str) -> str:
    """`url` with the driver we use; `postgresql://` alone would mean another one."""
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    backend = parsed.get_backend_name()
    if backend not in drivers:
        raise ValueError(f"{backend}: PAYWALL_DATABASE_URL takes sqlite:///… or postgresql://…")
    return parsed.set(drivername=drivers[backend]).render_as_string(hide_password=False)


_PATIENT: dict[str, Any] = {
    "max_overflow": 0,
    "pool_timeout": POOL_WAIT_SECONDS,
    "hide_parameters": True,
    "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000},
}


def _sqlite_engine(url: str, *, writer: bool = False, size: int = 4) -> AsyncEngine:
    connect_args = {**_PATIENT["connect_args"], "async_creator_fn": sqlite_driver.connect}
    engine = create_async_engine(
        url, pool_size=1 if writer else size, **{**_PATIENT, "connect_args": connect_args}
    )
    _prepare_sqlite(engine.sync_engine, writer=writer)
    return engine


def _prepare_sqlite(engine: Engine, *, writer: bool) -> Engine:
    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail at once under WAL.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _end_long_statements(engine: Engine, seconds: float) -> None:
    """Let SQLite end a statement after `seconds`, as PostgreSQL does by a setting.

    What is streamed is fetched as slowly as its receiver takes it, and isn't ended.
    """

    @event.listens_for(engine, "connect")
    def _watch(connection: Any, record: Any) -> None:
        started = record.info["started"] = [inf]
        connection.run_async(
            lambda driver: driver.set_progress_handler(
                lambda: monotonic() - started[0] > seconds, _LOOKED_AT_EVERY
            )
        )

    @event.listens_for(engine, "before_cursor_execute")
    def _start(
        connection: Connection, _cursor: Any, _text: str, _given: Any, context: Any, _many: bool
    ) -> None:
        is_streamed = context.execution_options.get("stream_results", False)
        connection.info["started"][0] = inf if is_streamed else monotonic()


def _look_before_use(engine: Engine) -> None:
    """Find out whether a pooled connection still works before it is used, unless it just did.

    What `pool_pre_ping` does takes three ways to the server, each time.
    """

    @event.listens_for(engine, "checkin")
    def _note(_: object, record: Any) -> None:
        record.info["used_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: Any, _: object) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or monotonic() - used_at < FRESH_SECONDS:
            return  # just made, or just used
        try:
            engine.dialect.do_ping(connection)
        except (engine.dialect.loaded_dbapi.Error, OSError) as error:
            # Whatever ended it has ended the others, too: they are made anew.
            raise InvalidatePoolError from error


class Database:
    """Engines of one database; `dialect` is `sqlite` or `postgresql`.

    `patience` in seconds is how long PostgreSQL may take for one statement.
    """

    def __init__(self, url: str, *, patience: float = LONGEST_STATEMENT_SECONDS) -> None:
        self.url = async_url(url)
        self.dialect = make_url(self.url).get_backend_name()
        if self.dialect == "sqlite":
            self._writing = _sqlite_engine(self.url, writer=True)
            self._reading = _sqlite_engine(self.url, writer=False)
            plain = make_url(self.url).set(drivername="sqlite")
            self._batches = _prepare_sqlite(
                create_engine(plain, pool_size=1, **_PATIENT), writer=True
            )
            self._batching = ThreadPoolExecutor(1, thread_name_prefix="batches")
            self._turn = asyncio.Lock()
        else:
            self._writing = self._reading = create_async_engine(
                self.url,
                pool_size=10,
                max_overflow=10,
                pool_timeout=POOL_WAIT_SECONDS,
                hide_parameters=True,
                connect_args={
                    "timeout": min(patience, POOL_WAIT_SECONDS),
                    "command_timeout": patience,
                },
            )
            _look_before_use(self._writing.sync_engine)
            self._committing_each = self._writing.execution_options(isolation_level="AUTOCOMMIT")
        # Weak: a lock is gone with the last of those who hold it or wait for it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        sqlite = self.dialect == "sqlite"
        most = SLOW_AT_ONCE * len(get_args(Slow))
        self._slow = _sqlite_engine(self.url, size=most) if sqlite else self._reading
        self._longest_slow = min(patience * 2 / 3, LONGEST_SLOW_SECONDS)
        if sqlite:
            _end_long_statements(self._slow.sync_engine, self._longest_slow)
        self._room = {kind: asyncio.Semaphore(SLOW_AT_ONCE) for kind in get_args(Slow)}
        self._longest_wait = min(patience, POOL_WAIT_SECONDS)
        self._longest_batch = min(patience, LONGEST_BATCH_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write: committed at the end, rolled back on an exception."""
        await in_task()
        async with (
            self._writers_turn(),
            _translated(),
            AsyncSession(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for queries alone."""
        await in_task()
        async with _translated(), AsyncSession(self._reading, expire_on_commit=False) as session:
            yield session

    async def in_one_go(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` answers, which is done in one transaction, committed at its end.

        Its statements follow each other without a way back to the event loop, which costs more than
        most of them do. On SQLite it takes its turn among the writers, and has a thread of its own.
        On PostgreSQL it may take a few seconds, or it is `database-unavailable`.
        """
        async with _translated():
            if self.dialect == "postgresql":
                async with (
                    asyncio.timeout(self._longest_batch),
                    self._writing.begin() as connection,
                ):
                    return await connection.run_sync(work)
            async with self._writers_turn():
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._batching, self._write_batch, work)

    async def by_statement(self, work: Callable[[Connection], _T]) -> _T:
        """As `in_one_go`, but on PostgreSQL each statement is committed by itself: for work of which one
        statement changes something. A transaction would take two more ways to the server.
        """
        if self.dialect == "sqlite":
            return await self.in_one_go(work)
        async with (
            _translated(),
            asyncio.timeout(self._longest_batch),
            self._committing_each.connect() as connection,
        ):
            return await connection.run_sync(work)

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
                _translated(),
                _ended_in_time(),
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
            await session.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
            )
            yield session

    async def dispose(self) -> None:
        await self._slow.dispose()
        await self._writing.dispose()
        await self._reading.dispose()
        if self.dialect == "sqlite":
            self._batching.shutdown(wait=True)
            self._batches.dispose()


class NoTurn(Problem):
    """Too many slow queries of this kind ran all the time that this one waited."""

    def __init__(self) -> None:
        super().__init__(
            "database-unavailable",
            "Too many lists and searches are at work. Try again in a few seconds.",
            headers={"Retry-After": RETRY_AFTER_SECONDS},
        )


_DEADLOCK = "40P01"
_MOST_DEADLOCKS = 5


async def past_deadlocks(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """What `attempt` answers, which is one whole transaction.

    PostgreSQL ends one of two transactions that wait for each other; that one is tried again.
    """
    for _ in range(_MOST_DEADLOCKS):
        try:
            return await attempt()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                raise
            log.info("database.deadlock")
    return await attempt()


_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: no connection, no room for it, starting up or shutting down."""


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn an unreachable database, or one that was just migrated, into a 503 that says when to come back."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        if not _is_away(error):
            raise
        log.warning("database.unavailable", reason=str(error))
        raise database_unavailable() from error


@asynccontextmanager
async def _ended_in_time() -> AsyncIterator[None]:
    """Turn a statement that the database ended into a sentence."""
    try:
        yield
    except DBAPIError as error:
        is_cancelled = getattr(error.orig, "sqlstate", None) == _CANCELLED
        if not is_cancelled and str(error.orig) != "interrupted":
            raise
        log.warning("database.slow_statement_ended")
        raise Problem(
            "takes-too-long",
            "This takes longer than may be. Choose a shorter period, or ask for less at once.",
        ) from error


def _is_away(error: DBAPIError | PoolTimeoutError | OSError) -> bool:
    if isinstance(error, OSError):
        # Refused, timed out, unknown host, or several of them at once; never one about a file.
        return error.filename is None
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    if isinstance(error, NotSupportedError):
        # A migration changed what a prepared statement answers. Next time it is prepared anew.
        return True
    state: str = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_AWAY)


def database_unavailable() -> Problem:
    return Problem("database-unavailable", headers={"Retry-After": RETRY_AFTER_SECONDS})


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
