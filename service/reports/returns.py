"""How many holders came on a day, and on which day they came before: distinct holders of any period.

Of the days from `first` on, the holders whose day before lies before `first` are those that come in it for
the first time: their number over the days of a period is the number of distinct holders in it, whatever
the period. So one row for each pair of days holds what would else be counted over all holders; in the
same way those who met a wall.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from service.db.base import UtcDateTime
from service.db.tables import (
    AccessEntry,
    HolderDay,
    ReaderDevice,
)
from service.metering.store import DEVICE, READER
from service.reports.rollups import holder_days

NEVER = date(1970, 1, 1)
"""The day before of a holder who comes for the first time."""
ANY, WALL, SUBSCRIBE, REGISTER = "holder", "wall", "subscribe", "register"


class Return(NamedTuple):
    """A measure, a day, and the day on which the holder was counted by it before."""

    measure: str
    day: date
    previous: date


async def returns_of(
    session: AsyncSession, rolled: Collection[date], unrolled: Collection[date] = ()
) -> Counter[Return]:
    """How many holders there are of each kind on these days, of which some aren't rolled up."""
    if not rolled and not unrolled:
        return Counter()
    rows = list(await session.execute(_by_whose(rolled, unrolled)))
    return await asyncio.to_thread(_counted, rows)


def _counted(rows: Iterable[Any]) -> Counter[Return]:
    found: Counter[Return] = Counter()
    for row in rows:
        day, subscribe, register = row.day, row.subscribe_at, row.register_at
        found[Return(ANY, day, row.before)] += 1
        if subscribe is not None or register is not None:
            latest = max(row.subscribe_before, row.register_before)
            found[Return(WALL, day, latest)] += 1
        if subscribe is not None:
            found[Return(SUBSCRIBE, day, row.subscribe_before)] += 1
        if register is not None:
            found[Return(REGISTER, day, row.register_before)] += 1
    return found


def _by_whose(rolled: Collection[date], unrolled: Collection[date]) -> Select[Any]:
    """A row for each holder and day: what they met, and when before."""
    rows = _rows(rolled, unrolled).subquery("of_days")
    holder_of = select(rows, _whose(rows.c.holder).label("whose")).subquery("of_holders")
    days = (
        select(
            holder_of.c.day, holder_of.c.whose,
            func.min(holder_of.c.subscribe_wall_at, type_=UtcDateTime()).label("subscribe_at"),
            func.min(holder_of.c.register_wall_at, type_=UtcDateTime()).label("register_at"),
        )
        .group_by(holder_of.c.day, holder_of.c.whose)
        .subquery("of_whose")
    )  # fmt: skip
    met = or_(days.c.subscribe_at.is_not(None), days.c.register_at.is_not(None))
    return select(
        days.c.day, days.c.subscribe_at, days.c.register_at,
        _before(days, literal(1) == 1, None).label("before"),
        case((met, _before(days, days.c.subscribe_at.is_not(None), "subscribe_wall_at"))).label(
            "subscribe_before"
        ),
        case((met, _before(days, days.c.register_at.is_not(None), "register_wall_at"))).label(
            "register_before"
        ),
    )  # fmt: skip


def _rows(rolled: Collection[date], unrolled: Collection[date]) -> Any:
    columns = (
        HolderDay.day, HolderDay.holder, HolderDay.subscribe_wall_at, HolderDay.register_wall_at,
    )  # fmt: skip
    added_up = select(*columns).where(HolderDay.day.in_(rolled))
    if not unrolled:
        return added_up
    live = holder_days().where(AccessEntry.day.in_(unrolled)).subquery("live")
    rest = select(live.c.day, live.c.holder, live.c.subscribe_wall_at, live.c.register_wall_at)
    return union_all(added_up, rest) if rolled else rest


def _before(days: Any, is_so: ColumnElement[bool], wall: str | None) -> ColumnElement[date]:
    """The holder's latest earlier day, or with the wall: among these days, or all that are rolled up."""
    among = func.max(case((is_so, days.c.day))).over(
        partition_by=days.c.whose, order_by=days.c.day, rows=(None, -1)
    )
    own, theirs, link = aliased(HolderDay), aliased(HolderDay), aliased(ReaderDevice)
    mine = (
        select(func.max(own.day))
        .where(own.holder == days.c.whose, own.day < days.c.day, *_has(own, wall))
        .correlate(days)
        .scalar_subquery()
    )
    on_devices = (
        select(func.max(theirs.day))
        .join(link, theirs.holder == literal(DEVICE) + link.device_id)
        .where(
            link.reader_id == func.substr(days.c.whose, len(READER) + 1), _is_first(link),
            theirs.day < days.c.day, *_has(theirs, wall),
        )
        .correlate(days)
        .scalar_subquery()
    )  # fmt: skip
    on_any = case((days.c.whose.startswith(READER), on_devices))
    return _Latest(*(func.coalesce(each, literal(NEVER, Date())) for each in (among, mine, on_any)))


def _has(row: Any, wall: str | None) -> list[ColumnElement[bool]]:
    return [getattr(row, wall).is_not(None)] if wall else []


class _Latest(FunctionElement[date]):
    """The latest of days none of which is missing."""

    type = Date()
    inherit_cache = True
    name = "latest"


@compiles(_Latest, "postgresql")
def _greatest(element: _Latest, compiler: Any, **given: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **given)})"


@compiles(_Latest, "sqlite")
def _max(element: _Latest, compiler: Any, **given: Any) -> str:
    return f"max({compiler.process(element.clauses, **given)})"


def _whose(holder: ColumnElement[str]) -> ColumnElement[str]:
    """The reader that a device belongs to, else the holder."""
    link = aliased(ReaderDevice)
    reader = (
        select(func.min(link.reader_id))
        .where(link.device_id == func.substr(holder, len(DEVICE) + 1))
        .scalar_subquery()
    )
    return case(
        (holder.startswith(DEVICE), func.coalesce(literal(READER) + reader, holder)), else_=holder
    )


def _is_first(link: Any) -> ColumnElement[bool]:
    """Whether a device that several readers used is this one's."""
    other = aliased(ReaderDevice)
    return ~exists().where(
        and_(other.device_id == link.device_id, other.reader_id < link.reader_id)
    )
