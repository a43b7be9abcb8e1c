"""The meter's state in the database, exact under any concurrency.

One row a holder and window. On PostgreSQL one conditional upsert changes it (one_statement.py): a row an
article with `count(*) < limit` would over-grant under READ COMMITTED, and "select for update, else insert"
fails under load. On SQLite one writes at a time, so what was looked at in a transaction is still so.
"""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    TextClause,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Json, UtcDateTime
from service.db.tables import MeterWindow
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.metering.window import MeterState, Window, rolling_from

DEVICE = "device:"
READER = "reader:"
MAILBOX = "mailbox:"


def device_holder(device_id: str) -> str:
    """The meter's key of an anonymous device: its pseudonym, by which it is found again for erasing."""
    return known_device_holder(pseudonym(device_id))


def known_device_holder(device: str) -> str:
    """The same by the pseudonym."""
    return f"{DEVICE}{device}"


def reader_holder(reader_id: str) -> str:
    """The meter's key of a reader with a verified address."""
    return f"{READER}{reader_id}"


def readers_meter(reader_id: str, mailbox: str | None) -> str:
    """Where articles of a reader with a verified address are counted.

    All addresses of one mailbox have one meter: else each would bring new free articles.
    """
    return f"{MAILBOX}{mailbox}" if mailbox is not None else reader_holder(reader_id)


def named_meter(meter: str, name: str | None) -> str:
    """The key of a meter of its own beside the publication's: a name has no sign of an address in it."""
    return meter if name is None else f"{meter}@{name}"


def meter_of(caller: Caller) -> str | None:
    """Where the caller's articles are counted; None: a new device's."""
    if caller.verified and caller.reader_id is not None:
        return readers_meter(caller.reader_id, caller.mailbox)
    return device_holder(caller.device_id) if caller.device_id is not None else None


def holder_of(caller: Caller) -> str | None:
    """Who reads: the reader with a verified address, else the device; None: a new one."""
    if caller.verified and caller.reader_id is not None:
        return reader_holder(caller.reader_id)
    return device_holder(caller.device_id) if caller.device_id is not None else None


def is_device(holder: str) -> bool:
    return holder.startswith(DEVICE)


async def read_meter(
    session: AsyncSession, holder: str | None, window: Window, limit: int
) -> MeterState:
    """The holder's state; an unknown holder (None) has read nothing."""
    row = None
    if holder is not None:
        row = (
            await session.execute(
                select(MeterWindow.counted, MeterWindow.carried, MeterWindow.began_at).where(
                    MeterWindow.holder == holder, MeterWindow.window_start == window.key
                )
            )
        ).one_or_none()
    return MeterState(window, limit) if row is None else _state(row, window, limit)


async def read_window(session: AsyncSession, meter: str, asked: MeterState) -> MeterState:
    """What is in the window that was asked for, by the rule that it was asked by."""
    found = await read_meter(session, meter, asked.window, asked.limit)
    return found._replace(by=asked.by)


def read_meters(
    connection: Connection, holders: Collection[str], window: Window, limit: int
) -> dict[str, MeterState]:
    """The states of all these holders; one that has no row has read nothing."""
    states = {holder: MeterState(window, limit) for holder in holders}
    if not states:
        return states
    rows = connection.execute(
        select(
            MeterWindow.holder, MeterWindow.counted, MeterWindow.carried, MeterWindow.began_at
        ).where(MeterWindow.holder.in_(states), MeterWindow.window_start == window.key)
    )
    return states | {row.holder: _state(row, window, limit) for row in rows}


async def has_begun(session: AsyncSession, holder: str) -> bool:
    """Whether the holder has read in any window, by whichever meter.

    Meters of their own are those from `holder@` up to `holderA`, the letter that follows the sign.
    """
    of_its_own = and_(MeterWindow.holder > f"{holder}@", MeterWindow.holder < f"{holder}A")
    begun = exists().where(or_(MeterWindow.holder == holder, of_its_own))
    return bool(await session.scalar(select(begun)))


def _state(row: Any, window: Window, limit: int) -> MeterState:
    """What a row says of the window that was asked for; of a rolling one that is over, nothing."""
    if row.began_at is not None:
        begun = rolling_from(row.began_at, window.span)
        if begun.end <= window.start:
            return MeterState(window, limit)
        window = begun
    return MeterState.of(window, limit, row.counted, row.carried)


def state_of(
    counted: str, carried: str, began: datetime | None, window: Window, limit: int
) -> MeterState:
    """The state as its columns have it, articles in JSON, just after an article was counted."""
    if began is not None:
        window = rolling_from(began, window.span)
    return MeterState(window, limit, _articles(counted), _articles(carried))


# New readers of one article have equal windows.
_articles = lru_cache(maxsize=1_000)(lambda text: frozenset(json.loads(text)))


async def carry_reads(
    session: AsyncSession,
    *,
    from_holder: str,
    to_holder: str,
    window: Window,
    as_counted: bool,
    now: datetime,
) -> None:
    """Let what one holder has read in the window be read by the other too; safe to repeat.

    Carried articles are free to read again. They count against the other's limit only `as_counted`. A
    rolling window that hasn't begun begins as the one holder's did, and anew with the first article that
    is counted.
    """
    source = await read_meter(session, from_holder, window, 0)
    if not source.read_set:
        return
    dialect = session.get_bind().dialect.name
    for article_id in sorted(source.read_set):
        await session.execute(
            _CARRIES[dialect, as_counted],
            {
                "holder": to_holder,
                "window_start": window.key,
                "began": source.window.began,
                "ended": window.ended,
                "article": article_id,
                "first": [article_id],
                "now": now,
            },
        )


async def move_meters(
    session: AsyncSession, names: Iterable[str], *, from_meter: str, to_meter: str
) -> None:
    """Let the meters of a reader have another key, those of these names too; where that has read in a
    window already, its own count stays.
    """
    if from_meter == to_meter:
        return
    for name in (None, *names):
        await _move(session, named_meter(from_meter, name), named_meter(to_meter, name))


async def _move(session: AsyncSession, from_meter: str, to_meter: str) -> None:
    there = select(MeterWindow.window_start).where(MeterWindow.holder == to_meter)
    await session.execute(
        update(MeterWindow)
        .where(MeterWindow.holder == from_meter, MeterWindow.window_start.not_in(there))
        .values(holder=to_meter)
        .execution_options(synchronize_session=False)
    )
    await session.execute(delete(MeterWindow).where(MeterWindow.holder == from_meter))


def _typed(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("window_start", type_=UtcDateTime()),
        bindparam("now", type_=UtcDateTime()),
        bindparam("first", type_=Json()),
        bindparam("began", type_=UtcDateTime()),
        bindparam("ended", type_=UtcDateTime()),
    )


def _carrying(column: str, other: str, dialect: str) -> TextClause:
    appended, known = (
        (f"meter.{column} || excluded.{column}", "meter.{} @> excluded." + column)
        if dialect == "postgresql"
        else (
            f"json_insert(meter.{column}, '$[#]', :article)",
            "EXISTS (SELECT 1 FROM json_each(meter.{}) WHERE value = :article)",
        )
    )
    return _typed(f"""
INSERT INTO meter_windows AS meter (holder, window_start, began_at, {column}, {other}, updated_at)
VALUES (:holder, :window_start, :began, :first, '[]', :now)
ON CONFLICT (holder, window_start) DO UPDATE
SET {column} = CASE WHEN meter.began_at <= :ended THEN excluded.{column} ELSE {appended} END,
    {other} = CASE WHEN meter.began_at <= :ended THEN excluded.{other} ELSE meter.{other} END,
    began_at = CASE WHEN meter.began_at <= :ended THEN excluded.began_at ELSE meter.began_at END,
    updated_at = excluded.updated_at
WHERE meter.began_at <= :ended
  OR (NOT {known.format("counted")} AND NOT {known.format("carried")})
""")  # noqa: S608 nothing from outside is in it


_CARRIES = {
    (dialect, as_counted): _carrying(*columns, dialect)
    for dialect in ("postgresql", "sqlite")
    for as_counted, columns in (
        (True, ("counted", "carried")),
        (False, ("carried", "counted")),
    )
}
"""By dialect, and by whether what is carried counts: one statement an article, never in two lists."""
