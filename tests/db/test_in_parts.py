"""However many rows are old, no transaction changes more than a part of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Delete, Update, delete, event, func, select, update

from service.db.base import Base
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import RateLimit, Reader, ReaderUse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = date(2026, 3, 10)


def counters() -> list[Base]:
    return [
        RateLimit(
            key=f"k{n}",
            count=1,
            started_at=NOW - timedelta(days=1),
            ends_at=NOW + timedelta(hours=n),
        )
        for n in range(-7, 3)
    ]


def uses() -> list[Base]:
    """Their key has several columns."""
    return [
        ReaderUse(day=TODAY + timedelta(days=n), reader_id="rdr_1", kind="device", name=f"n{n}")
        for n in range(-7, 3)
    ]


@pytest.mark.parametrize(
    ("rows", "change", "table", "is_old"),
    [
        (counters, delete(RateLimit), RateLimit, RateLimit.ends_at <= NOW),
        (uses, delete(ReaderUse), ReaderUse, ReaderUse.day <= TODAY),
        (
            counters, update(RateLimit).values(count=0), RateLimit,
            (RateLimit.ends_at <= NOW) & (RateLimit.count > 0),
        ),
    ],
)  # fmt: skip
async def test_each_part_is_a_transaction(
    database: Database, rows: Callable[[], list[Base]], change: Delete | Update, table: type[Base], is_old: object
) -> None:  # fmt: skip
    async with database.transaction() as session:
        session.add(Reader(id="rdr_1", created_at=NOW))
        await session.flush()
        session.add_all(rows())
    changed: list[int] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("DELETE", "UPDATE")):
            changed.append(cursor.rowcount)  # type: ignore[attr-defined]

    commits: list[int] = []
    engine = database._writing.sync_engine
    event.listen(engine, "after_cursor_execute", note)
    event.listen(engine, "commit", lambda _: commits.append(len(changed)))
    await in_parts(database, change, is_old, at_once=3)  # type: ignore[arg-type]
    assert changed == [3, 3, 2]
    assert [each for each in commits if each] == [1, 2, 3]
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(table).where(is_old)) == 0  # type: ignore[arg-type]
