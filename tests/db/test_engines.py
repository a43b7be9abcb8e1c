"""Connections to SQLite as the service opens them."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.db import sqlite_driver
from service.db.engines import async_url, sqlite_engine


async def mode_of_new_database(folder: Path) -> str:
    engine = sqlite_engine(async_url(f"sqlite:///{folder}/new.db"))
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(text("PRAGMA journal_mode")))
    finally:
        await engine.dispose()


class Refusing:
    """SQLite while another connection changes the same database, or while the disk fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> None:
        self.left, usual = times, sqlite_driver.Cursor.execute

        async def execute(cursor: sqlite_driver.Cursor, sql: str, given: Any = ()) -> None:
            if "journal_mode=" in sql and self.left:
                self.left -= 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = code
                raise error
            await usual(cursor, sql, given)

        monkeypatch.setattr(sqlite_driver.Cursor, "execute", execute)


async def test_who_comes_first_to_a_new_database_beside_others_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, sqlite3.SQLITE_BUSY, 2)
    assert await mode_of_new_database(tmp_path) == "wal"
    assert refusing.left == 0


async def test_what_does_not_pass_by_itself_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, sqlite3.SQLITE_IOERR, 2)
    with pytest.raises(OperationalError):
        await mode_of_new_database(tmp_path)
    assert refusing.left == 1
