"""Yesterday's database comes along with its rows, up and down, and the release before goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from service.db import migrate
from service.db.base import UtcDateTime
from service.db.engines import async_url

BEFORE, AFTER = "cf5da8d4dcff", "b3f1d2a7c905"
LISBON = ZoneInfo("Europe/Lisbon")
NIGHT = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)
"""Half past midnight in Lisbon: the day after."""
MORNING = datetime(2026, 6, 2, 8, 0, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 31, 12, 0, tzinfo=UTC)

READERS = sa.table(
    "readers",
    sa.column("id"),
    sa.column("email_verified_at", UtcDateTime()),
    sa.column("created_at", UtcDateTime()),
)
LEDGER = sa.table(
    "access_ledger",
    sa.column("at", UtcDateTime()),
    sa.column("article_id"),
    sa.column("reader_id"),
    sa.column("device_id"),
    sa.column("granted", sa.Boolean()),
    sa.column("consumed", sa.Boolean()),
    sa.column("reason"),
    sa.column("once_key"),
)
CARRIED = sa.table(
    "access_ledger",
    sa.column("day", sa.Date()),
    sa.column("holder"),
    sa.column("id"),
    sa.column("article_id"),
    sa.column("once", sa.Boolean()),
)


def read(article: str, at: datetime, reader: str | None, device: str | None) -> dict[str, Any]:
    return {
        "at": at, "article_id": article, "reader_id": reader, "device_id": device,
        "granted": True, "consumed": False, "reason": "meter", "once_key": None,
    }  # fmt: skip


def once(row: dict[str, Any]) -> dict[str, Any]:
    holder = row["reader_id"] or row["device_id"]
    return {**row, "once_key": f"{row['at']:%Y-%m-%d}/{holder}/{row['article_id']}"}


ROWS = [
    read("before the address was verified", NIGHT, "rdr_1", "dev_1"),
    read("after", DECEMBER, "rdr_1", "dev_1"),
    read("never verified", MORNING, "rdr_2", "dev_2"),
    read("erased", MORNING, "rdr_2", None),
    read("nobody's", MORNING, None, "dev_3"),
    read("nobody's and erased", MORNING, None, None),
    once(read("twice in one night", NIGHT, None, "dev_3")),
    once(read("twice in one night", MORNING, None, "dev_3")),
    once(read("by a subscription", MORNING, "rdr_2", "dev_2")),
]
HOLDERS = {
    "before the address was verified": (date(2026, 6, 2), "device:dev_1"),
    "after": (date(2026, 12, 31), "reader:rdr_1"),
    "never verified": (date(2026, 6, 2), "device:dev_2"),
    "erased": (date(2026, 6, 2), "reader:rdr_2"),
    "nobody's": (date(2026, 6, 2), "device:dev_3"),
    "nobody's and erased": (date(2026, 6, 2), "device:unknown"),
    "twice in one night": (date(2026, 6, 2), "device:dev_3"),
    # As of a read since: another holder would make it two, which an erasure couldn't make one.
    "by a subscription": (date(2026, 6, 2), "reader:rdr_2"),
}


@asynccontextmanager
async def yesterday(url: str) -> AsyncIterator[AsyncConnection]:
    """A database of the release before, with rows."""
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        await connection.execute(
            sa.insert(READERS),
            [
                {"id": "rdr_1", "email_verified_at": MORNING, "created_at": NIGHT},
                {"id": "rdr_2", "email_verified_at": None, "created_at": NIGHT},
            ],
        )
        for row in ROWS:
            await connection.execute(sa.insert(LEDGER).values(**row))
        await connection.commit()
        yield connection
    await engine.dispose()


async def test_the_ledgers_rows_come_along_with_their_keys(empty_database_url: str) -> None:
    async with yesterday(empty_database_url) as connection:
        await connection.run_sync(migrate.upgrade, AFTER, LISBON)
        rows = (await connection.execute(sa.select(CARRIED).order_by(CARRIED.c.id))).all()
    assert [row.article_id for row in rows] == [row["article_id"] for row in ROWS]
    assert {row.article_id: (row.day, row.holder) for row in rows} == HOLDERS
    assert [row.once for row in rows] == [False] * 6 + [True, False, True]


async def test_they_go_back_to_the_release_before(empty_database_url: str) -> None:
    async with yesterday(empty_database_url) as connection:
        await connection.run_sync(migrate.upgrade, AFTER, LISBON)
        await connection.run_sync(migrate.downgrade, BEFORE)
        found = await connection.execute(sa.select(LEDGER))
        rows = [dict(row._mapping) for row in found]
    without_key = sorted(str({**row, "once_key": None}) for row in rows)
    assert without_key == sorted(str({**row, "once_key": None}) for row in ROWS)
    assert sorted(row["once_key"] for row in rows if row["once_key"]) == [
        "2026-06-02/device:dev_3/twice in one night",
        "2026-06-02/reader:rdr_2/by a subscription",
    ]


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_the_release_before_goes_on_writing(empty_database_url: str) -> None:
    """On PostgreSQL, where several processes serve: none is stopped for the migration."""
    async with yesterday(empty_database_url) as connection:
        await connection.run_sync(migrate.upgrade, AFTER, LISBON)
        for row in ROWS[-3:]:
            await connection.execute(sa.insert(LEDGER).values(**{**row, "article_id": "new"}))
        new = sa.select(CARRIED.c.holder, CARRIED.c.once).where(CARRIED.c.article_id == "new")
        rows = (await connection.execute(new)).all()
    assert [tuple(row) for row in rows] == [("device:unknown", False)] * 3
