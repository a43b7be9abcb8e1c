"""Databases that one test after another gets as if they were new, without the time to make them."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.postgres import PostgresServer

RENEWED_AFTER = 40
"""The number of tests that use a copy before it is made anew: deleted rows leave some weight behind."""
ROOM = 1 << 30
"""Bytes that must be free where files are kept in memory."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 each run has a folder of its own in it
T = TypeVar("T")
Once = Callable[[str, Callable[[Path], object]], Path]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For pages, refusals and words. Where SQL, locks or migrations matter, a test runs on both."""

SHAPE = """
SELECT (SELECT count(*) FROM pg_class), (SELECT max(oid) FROM pg_class),
       (SELECT count(*) FROM pg_attribute WHERE NOT attisdropped),
       (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc)
"""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """The file at `path`, which the first of several processes makes whole before any has it."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            half = path.with_name(f"{path.name}.half")
            make(half)
            half.rename(path)
    return path


@contextlib.contextmanager
def folder_in_memory(otherwise: Callable[[], Path]) -> Iterator[Path]:
    """A folder for SQLite's files, gone afterwards: in memory where there is room, else `otherwise`.

    A disk's cache is no test's subject, as with PostgreSQL's `fsync = off`: a commit there takes
    longer than everything else of a request.
    """
    if not os.access(IN_MEMORY, os.W_OK) or shutil.disk_usage(IN_MEMORY).free < ROOM:
        yield otherwise()
        return
    with tempfile.TemporaryDirectory(prefix="paywall-tests-", dir=IN_MEMORY) as folder:
        yield Path(folder)


@contextlib.contextmanager
def database_of(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    """The URL of a migrated database without rows, for a fixture of any scope; `kind` as its driver."""
    if kind == "postgresql":
        with request.getfixturevalue("emptied_databases").one() as url:
            yield url
        return
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    with folder_in_memory(lambda: factory.mktemp("database")) as folder:
        shutil.copyfile(request.getfixturevalue("migrated_file"), folder / "paywall.db")
        yield f"sqlite:///{folder / 'paywall.db'}"


@dataclass
class _Copy:
    url: str
    keeper: "asyncpg.Connection[asyncpg.Record]"
    shape: asyncpg.Record
    filled: str
    """The query for the names of tables that have rows."""
    used: int = 0


class EmptiedDatabases:
    """Copies of the migrated database `template`, emptied when they are given back.

    Connections, rows and counters that a test left are removed; a copy whose tables it changed is
    dropped. That takes milliseconds; to copy a database takes a hundred times as long.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[_Copy] = []
        self._taken: dict[str, _Copy] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._seeds: dict[str, str] | None = None

    def take(self) -> str:
        """The URL of a database that is migrated and without rows."""
        copy = self._free.pop() if self._free else self._made()
        self._taken[copy.url] = copy
        return copy.url

    def give_back(self, url: str) -> None:
        copy = self._taken.pop(url)
        copy.used += 1
        if copy.used < RENEWED_AFTER and self._run(self._empty(copy)):
            self._free.append(copy)
        else:
            self._run(self._drop(copy))

    @contextlib.contextmanager
    def one(self) -> Iterator[str]:
        url = self.take()
        try:
            yield url
        finally:
            self.give_back(url)

    def close(self) -> None:
        for copy in (*self._free, *self._taken.values()):
            self._run(copy.keeper.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    def _made(self) -> _Copy:
        name = f"test_{secrets.token_hex(6)}"
        url = self._server.create_database(name, template=self._template)
        return self._run(self._look_after(url))

    async def _look_after(self, url: str) -> _Copy:
        keeper = await asyncpg.connect(url)
        tables = await keeper.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        filled = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")"  # noqa: S608 tables' names
            for (name,) in tables
        )
        if self._seeds is None:
            self._seeds = {
                name: await keeper.fetchval(f'SELECT json_agg(t) FROM "{name}" t')  # noqa: S608
                for (name,) in await keeper.fetch(filled)
            }
        shape = await keeper.fetchrow(SHAPE)
        assert shape is not None
        return _Copy(url, keeper, shape, filled)

    async def _empty(self, copy: _Copy) -> bool:
        """Whether the copy is as it was made."""
        keeper = copy.keeper
        await keeper.execute(END_OTHERS)
        if await keeper.fetchrow(SHAPE) != copy.shape:
            return False
        deletions = [f'DELETE FROM "{name}"' for (name,) in await keeper.fetch(copy.filled)]  # noqa: S608
        # Without triggers rows may go in any order, whichever others point to them.
        steps = ["SET session_replication_role = replica", *deletions]
        await keeper.execute("; ".join([*steps, "RESET session_replication_role"]))
        await keeper.execute(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) "
            "FROM pg_sequences WHERE last_value IS NOT NULL"
        )
        for name, seed in (self._seeds or {}).items():
            await keeper.execute(
                f'INSERT INTO "{name}" SELECT * FROM json_populate_recordset(NULL::"{name}", $1)',  # noqa: S608
                seed,
            )
        return True

    async def _drop(self, copy: _Copy) -> None:
        await copy.keeper.close()
        admin = await asyncpg.connect(self._server.url)
        try:
            await admin.execute(f'DROP DATABASE "{copy.url.rpartition("/")[2]}" WITH (FORCE)')
        finally:
            await admin.close()
