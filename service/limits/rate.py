"""Rate limits, counted in the database: all processes and instances share them.

A window begins with the first time something is done and ends after its length; one upsert counts,
so that of any number of parallel attempts exactly as many pass as are allowed.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import RateLimit
from service.db.upsert import insert_for
from service.problems import Problem

CLOCKS_APART = timedelta(minutes=1)
"""The most by which the clocks of two instances may differ."""


@dataclass(frozen=True)
class Limit:
    """At most `most` times (0: without a limit) in any window of this length.

    `name` keeps the counters of several limits apart; `told` says to the caller what is limited.
    """

    name: str
    most: int
    per: timedelta
    told: str

    def begun(self, key: str, now: datetime) -> tuple[str, int, datetime]:
        """Its counter's key in the table, how often at most, and the end of a window that begins now."""
        return _key(self, key), self.most, now + self.per


async def take(session: AsyncSession, limit: Limit, key: str, now: datetime) -> timedelta | None:
    """Count one attempt under `key`. None: it may go on; else how long it has to wait.

    `now` is wall time. A refused attempt isn't counted. A granted one is once its transaction is committed: where what
    follows may fail and the attempt has to count all the same, commit before.
    """
    if limit.most == 0:
        return None
    counted = await session.scalar(_counting(session, limit, key, now))
    if counted is not None:
        return None
    ends_at = await session.scalar(
        select(RateLimit.ends_at).where(RateLimit.key == _key(limit, key))
    )
    return min(max((ends_at or now) - now, timedelta(seconds=1)), limit.per)


async def take_each(
    session: AsyncSession, counted: Sequence[tuple[Limit, str]], now: datetime
) -> tuple[Limit, timedelta] | None:
    """Count one attempt under each key, or none at all. None: it may go on; else which limit refuses, and how long
    it has to wait.

    Name the limits in one order everywhere, so that no two callers wait for each other.
    """
    for place, (limit, key) in enumerate(counted):
        wait = await take(session, limit, key, now)
        if wait is not None:
            for earlier, its in counted[:place]:
                await give_back(session, earlier, its)
            return limit, wait
    return None


def _counting(session: AsyncSession, limit: Limit, key: str, now: datetime):  # type: ignore[no-untyped-def]  # noqa: ANN202 a statement of either dialect
    is_over = _is_over(limit, now)
    first = {"count": 1, "started_at": now, "ends_at": now + limit.per}
    statement = insert_for(session, RateLimit).values(key=_key(limit, key), **first)
    return statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": case((is_over, 1), else_=RateLimit.count + 1),
            "started_at": case((is_over, now), else_=RateLimit.started_at),
            "ends_at": case((is_over, now + limit.per), else_=RateLimit.ends_at),
        },
        where=is_over | (RateLimit.count < limit.most),
    ).returning(RateLimit.count)


def _is_over(limit: Limit, now: datetime) -> ColumnElement[bool]:
    return or_(RateLimit.ends_at <= now, RateLimit.ends_at > _latest(limit, now))


def _latest(limit: Limit, now: datetime) -> datetime:
    # One that ends later than any that begins now was begun before the clock was set back. A caller who
    # was limited meanwhile, by a year's error say, would otherwise stay so until that year.
    return now + limit.per + CLOCKS_APART


def take_for_many(
    connection: Connection, limit: Limit, wanted: Mapping[str, int], now: datetime
) -> dict[str, int]:
    """SQLite: count this number of attempts under each key; how many of each may go on. Exact, as `take`.

    PostgreSQL does it with what is counted (metering/one_statement.py). Refused ones are counted here, which only the size of the counter shows.
    """
    rows = [{"key": _key(limit, key), "count": wanted[key]} for key in sorted(wanted)]
    times = {"now": now, "ends_at": now + limit.per, "latest": _latest(limit, now)}
    found = connection.execute(_COUNTING_MANY, {"wanted": json.dumps(rows), **times})
    counted = {row.key: row.taken for row in found}
    return {
        key: max(0, min(number, limit.most - counted[_key(limit, key)] + number))
        for key, number in wanted.items()
    }


_COUNTING_MANY = text("""
INSERT INTO rate_limits AS held (key, count, started_at, ends_at)
SELECT json_extract(value, '$.key'), json_extract(value, '$.count'), :now, :ends_at
FROM json_each(:wanted) WHERE true
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN held.ends_at <= :now OR held.ends_at > :latest
    THEN excluded.count ELSE held.count + excluded.count END,
  started_at = CASE WHEN held.ends_at <= :now OR held.ends_at > :latest
    THEN excluded.started_at ELSE held.started_at END,
  ends_at = CASE WHEN held.ends_at <= :now OR held.ends_at > :latest
    THEN excluded.ends_at ELSE held.ends_at END
RETURNING key, count AS taken
""").bindparams(*(bindparam(name, type_=UtcDateTime()) for name in ("now", "ends_at", "latest")))


async def used(session: AsyncSession, limit: Limit, key: str, now: datetime) -> int:
    """How often it was done in the window that runs, without counting."""
    found = await session.scalar(
        select(RateLimit.count).where(RateLimit.key == _key(limit, key), not_(_is_over(limit, now)))
    )
    return found or 0


async def forget(session: AsyncSession, limit: Limit, key: str) -> None:
    """Begin anew, since what was counted turned out to be harmless."""
    await session.execute(delete(RateLimit).where(RateLimit.key == _key(limit, key)))


async def give_back(session: AsyncSession, limit: Limit, key: str) -> None:
    """Uncount one attempt, since it turned out to be harmless."""
    await session.execute(
        update(RateLimit)
        .where(RateLimit.key == _key(limit, key), RateLimit.count > 0)
        .values(count=RateLimit.count - 1)
    )


async def prune(database: Database, now: datetime) -> None:
    """Delete the counters of windows that are over."""
    await in_parts(database, delete(RateLimit), RateLimit.ends_at <= now)


def too_many(limit: Limit, wait: timedelta) -> Problem:
    """429 with `Retry-After` in whole seconds."""
    seconds = max(1, math.ceil(wait.total_seconds()))
    return Problem("too-many-requests", limit.told, headers={"Retry-After": str(seconds)})


def _key(limit: Limit, key: str) -> str:
    return f"{limit.name}/{key}"
