"""Which active subscribers read on how many of the last 30 days: looked up reader by reader, so that the first
page of a million is found at once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    cast,
    func,
    literal,
    select,
    true,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.tables import FewHabit, MovementRow, Reader, ReaderDevice
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.few_readers import FEW
from service.reports.followed import is_first
from service.reports.listed import counted_row, one_series
from service.reports.period import NotAsked, midnight
from service.reports.queries.habits import (
    NOT_KEPT,
    WINDOW,
    change_of_paid,
    first_known,
    read_lately,
)
from service.reports.queries.kept_rows import rate
from service.reports.queries.ledger import days_of_holders

BUCKETS: Mapping[str, tuple[int, int]] = {
    "days_0": (0, 0), "days_1": (1, 4), "days_5": (5, 9), "days_10": (10, 19), "days_20": (20, 30),
}  # fmt: skip
BUCKET_WORDS = {
    name: f"{least} days" if least == most else f"{least} to {most} days"
    for name, (least, most) in BUCKETS.items()
}
ASLEEP, AT_RISK = "asleep", "at_risk"
_Fits = Callable[[ColumnElement[int], ColumnElement[int]], ColumnElement[bool]]


def _is_between(least: int, most: int) -> _Fits:
    return lambda lately, _: lately.between(least, most)


_BY_READS: Mapping[str, _Fits] = {
    AT_RISK: lambda lately, before: lately * 2 < before,
    **{name: _is_between(*ends) for name, ends in BUCKETS.items()},
}
"""From the days with a read, of the last 30 and of the 30 before."""
SEARCHED = tuple(name for name in _BY_READS if BUCKETS.get(name, (1,))[0] > 0)
"""Without a read are many readers: they are found one by one."""
_DIGITS = 2


async def habit_rows(
    session: AsyncSession, asked: Asked, series: Collection[str], few: int = FEW
) -> Select[Any]:
    """Active subscribers at the end of the period, or of yesterday, with their days with a read.

    Raises NotAsked where these aren't kept any more: the figure was counted before.
    """
    day = min(asked.period.last, asked.today - timedelta(days=1))
    first = await first_known(session)
    if first is not None and day < first:
        raise NotAsked("to", NOT_KEPT)
    until, earlier = (
        midnight(each, asked.home)
        for each in (day + timedelta(days=1), day + timedelta(days=1 - WINDOW))
    )
    row = MovementRow
    held = select(func.sum(change_of_paid())).where(
        row.customer == Reader.pseudonym, row.at < until
    )
    since = select(func.min(row.at)).where(row.customer == Reader.pseudonym)
    had = held.where(row.at < earlier)
    days = await _days(session, asked, day)
    middle = day - timedelta(days=WINDOW)
    lately, before = _number(days, days.c.day > middle), _number(days, days.c.day <= middle)
    name = next(iter(series))
    fits: list[ColumnElement[bool]] = [_of(held) > 0]
    if day < asked.period.first:
        fits.append(literal(1) == 0)
    if name == ASLEEP:
        fits += [_of(had) > 0, lately == 0]
    elif name in _BY_READS:
        fits += [
            _BY_READS[name](lately, before),
            await _is_among_few(session, asked, day, name, few),
        ]
    columns = counted_row(
        series=one_series(name), at=since.correlate(Reader).scalar_subquery(), key=Reader.id,
        reader_id=Reader.id, detail=cast(lately, String()),
    )  # fmt: skip
    return select(*columns).where(Reader.pseudonym.is_not(None), and_(*fits))


async def _is_among_few(
    session: AsyncSession, asked: Asked, day: date, name: str, few: int
) -> ColumnElement[bool]:
    """Whether it is one of the readers with such days, where they are few: of a million readers to look each up takes
    longer than a statement may. Many are found soon in that way, and those without a read are.
    """
    if name not in SEARCHED:
        return true()
    row = FewHabit
    noted = select(row.reader_id).where(row.day == day, row.series == name)
    found = [*await session.scalars(noted)] or await few_of(session, asked, day, name, few)
    return true() if found is None else Reader.id.in_(sorted({*found}))


async def few_of(
    session: AsyncSession, asked: Asked, day: date, name: str, few: int = FEW
) -> list[str] | None:
    """Readers with such days, a series of `SEARCHED`, where they are few. It reads all days of a month or two."""

    def readers(read: Subquery) -> Select[Any]:
        fits = _BY_READS[name](read.c.lately, read.c.before)
        return select(func.substr(read.c.whose, len(READER) + 1)).where(fits)

    # Most of the time goes into reading the days.
    days = 2 * WINDOW if name == AT_RISK else WINDOW
    sampled = readers(await read_lately(session, asked, day, _DIGITS, days)).subquery()
    number = await session.scalar(select(func.count()).select_from(sampled)) or 0
    if number > few * rate(_DIGITS):
        return None
    whose = readers(await read_lately(session, asked, day, days=days))
    found = [*await session.scalars(whose.limit(few + 1))]
    return None if len(found) > few else found


async def _days(session: AsyncSession, asked: Asked, day: date) -> Subquery:
    period = replace(
        asked.period, first=day - timedelta(days=2 * WINDOW - 1), last=day, interval="year"
    )
    return await days_of_holders(session, replace(asked, period=period))


def _number(days: Subquery, when: ColumnElement[bool]) -> ColumnElement[int]:
    """On how many of these days the reader read: by themselves, or on a device that belongs to them."""
    link = aliased(ReaderDevice)
    own = select(days.c.day).where(
        days.c.reads > 0, when, days.c.holder == literal(READER) + Reader.id
    )
    on_devices = (
        select(days.c.day)
        .join(link, days.c.holder == literal(DEVICE) + link.device_id)
        .where(days.c.reads > 0, when, link.reader_id == Reader.id, is_first(link))
    )
    read = union(*(each.correlate(Reader) for each in (own, on_devices))).subquery("read_on")
    return select(func.count()).select_from(read).scalar_subquery()


def _of(sums: Select[int]) -> ColumnElement[int]:
    return func.coalesce(sums.correlate(Reader).scalar_subquery(), 0)
