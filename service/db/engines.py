"""The engines of one database: how each dialect connects, begins, and is kept from waiting for ever."""

from math import inf
from sqlite3 import SQLITE_BUSY, OperationalError
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from service.db import sqlite_driver

BUSY_TIMEOUT_MS = 20_000
POOL_WAIT_SECONDS = 10
FRESH_SECONDS = 1.0
"""PostgreSQL: so lately used, a connection is believed to work. If it doesn't, one request is told to come again."""
_CHANGED_WITHIN_SECONDS = 0.005
_LOOKED_AT_EVERY = 10_000
"""SQLite looks at the clock after as many steps of its machine: some hundred times a second."""


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


def sqlite_engine(url: str, *, writer: bool = False, size: int = 4) -> AsyncEngine:
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
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail at once under WAL.
        sql = "BEGIN IMMEDIATE" if writer else "BEGIN"
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite_driver.Connection):
            driver.begin_by(sql)
        else:
            connection.exec_driver_sql(sql)

    return engine


def _write_ahead(cursor: Any) -> None:
    """Several connections may be the first ones to a new database: one of them changes it, and SQLite refuses the
    others at once instead of letting them wait.
    """
    until = monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except OperationalError as error:
            if error.sqlite_errorcode != SQLITE_BUSY or monotonic() > until:
                raise
            sleep(_CHANGED_WITHIN_SECONDS)
        else:
            return


def batch_engine(url: str) -> Engine:
    """For work in one go on SQLite, in a thread of its own."""
    plain = make_url(url).set(drivername="sqlite")
    return _prepare_sqlite(create_engine(plain, pool_size=1, **_PATIENT), writer=True)


def end_long_statements(engine: Engine, seconds: float) -> None:
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


def postgresql_look(url: str, seconds: float) -> AsyncEngine:
    """An engine that makes a connection for each question, and waits no longer for it, nor for the answer.

    It learns of a server whether it answers, though all connections of the pool are taken.
    """
    return create_async_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"timeout": seconds, "command_timeout": seconds},
    )


def postgresql_engine(url: str, patience: float) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=POOL_WAIT_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": min(patience, POOL_WAIT_SECONDS), "command_timeout": patience},
    )
    _look_before_use(engine.sync_engine)
    return engine
