"""Rows by holder: since when the access ledger keeps its own, and a sample of holders where there are many.

Who is in a sample is in it with all their devices, whatever these are called, so that nobody is half in it.
"""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, HolderReturn, ReaderDevice, RolledDay
from service.identity.devices import SAMPLED
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.cells import SAMPLE, Cell, Line, line_of, none
from service.reports.returns import ANY

MOST_ROWS = 200_000
"""Of the ledger: of more a sample of the holders is looked at."""
MOST_IN_DAYS = 1_000_000
"""Of the ledger, where days of holders are looked at, which hold some rows each."""
MOST_HOLDERS = 40_000
"""Whose days are looked at: each is looked up with their devices, and with what led them here."""
_DIGITS = 16
Rows = Select[*tuple[Any, ...]]


async def gone_before(session: AsyncSession, first: date, last: date) -> date | None:
    """The first day of which rows are kept, where days of the period had rows before it."""
    rows = select(func.min(AccessEntry.day)).scalar_subquery()
    rolled = select(func.min(RolledDay.day)).where(
        RolledDay.day.between(first, last), RolledDay.rows > 0
    )
    kept, had = (await session.execute(select(rows, rolled.scalar_subquery()))).one()
    return (
        (kept or last + timedelta(days=1))
        if had is not None and (kept is None or had < kept)
        else None
    )


async def sample(session: AsyncSession, first: date, last: date, most: int) -> int:
    """How many digits of their names a sample's holders have in common, so that it has about `most` rows;
    0: there aren't more.
    """
    return digits_for(sum((await by_day(session, first, last)).values()), most)


async def sample_of_days(session: AsyncSession, first: date, last: date, most: int) -> int:
    """The same where days of holders are looked at; it has no more than about `MOST_HOLDERS` holders either.

    Those of days that aren't counted yet are left out.
    """
    row = HolderReturn
    theirs = (row.measure == ANY, row.day.between(first, last), row.previous < first)
    holders = await session.scalar(select(func.sum(row.holders)).where(*theirs)) or 0
    return max(await sample(session, first, last, most), digits_for(int(holders), MOST_HOLDERS))


def digits_for(rows: int, most: int) -> int:
    """The same of this number of rows."""
    digits = 0
    while rows > most * _DIGITS**digits:
        digits += 1
    return digits


async def by_day(session: AsyncSession, first: date, last: date) -> Counter[date]:
    """The number of the ledger's rows in these days; those that are added up aren't counted again."""
    entry, row = AccessEntry, RolledDay
    rolled = select(row.day, row.rows).where(row.day.between(first, last))
    found = Counter({day: int(rows) for day, rows in await session.execute(rolled)})
    # Named, since PostgreSQL would read a year of the ledger to find the few days that aren't among the others.
    rest = [day for day in _days(first, last) if day not in found]
    if rest:
        live = select(entry.day, func.count()).where(entry.day.in_(rest)).group_by(entry.day)
        found.update({day: int(rows) for day, rows in await session.execute(live)})
    return found


def rate(digits: int) -> Fraction:
    """The share of holders that are in a sample."""
    return Fraction(1, _DIGITS**digits)


def deleted(gone: date) -> Cell:
    """No value, since rows are deleted."""
    return none(f"Reads and walls before {gone} are deleted, and this needs each of them.")


def on_days(first: date, last: date) -> ColumnElement[bool]:
    """Each day by itself, so that a sample is found in each by the index of days and holders."""
    days = _days(first, last)
    return AccessEntry.day.in_(days) if days else literal(False)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def sampled(digits: int) -> list[ColumnElement[bool]]:
    """The ledger's rows of the sample, holder by holder: a reader's devices are in it by their own names."""
    return [is_sampled(AccessEntry.holder.expression, digits)] if digits else []


def is_sampled(name: ColumnElement[Any], digits: int) -> ColumnElement[bool]:
    """Of a holder, or of whose a row is: a sixteenth for each digit with which their names begin."""
    return or_(_begins(name, f"{DEVICE}dev_", digits), is_sampled_reader(name, digits, READER))


def is_sampled_reader(
    id_: ColumnElement[Any], digits: int, before: str = ""
) -> ColumnElement[bool]:
    """The same of a reader's id."""
    return _begins(id_, f"{before}rdr_", digits)


def is_sampled_device(id_: ColumnElement[Any], digits: int) -> ColumnElement[bool]:
    """By its own name: of a linked one it is the reader's that counts."""
    return _begins(id_, "dev_", digits)


def sampled_devices(digits: int) -> CompoundSelect[str]:
    """Linked ones that are in the sample by their own names, or by those of their readers."""
    link = ReaderDevice
    by_name = is_sampled_device(link.device_id.expression, digits)
    by_reader = is_sampled_reader(link.reader_id.expression, digits)
    return select(link.device_id).where(by_name).union(select(link.device_id).where(by_reader))


def links_of_sample(digits: int) -> FromClause:
    """All readers of the devices that are in the sample by their own names, or by one of their readers."""
    link = ReaderDevice
    links = select(link.device_id, link.reader_id)
    if not digits:
        return links.subquery("links")
    by_name = is_sampled_device(link.device_id.expression, digits)
    by_reader = link.device_id.in_(select(_linked(digits).c.device_id))
    return union_all(links.where(by_name), links.where(by_reader)).subquery("links")


def of_sample(rows: Rows, holder: ColumnElement[str], digits: int) -> list[Rows]:
    """The rows of the sample and of some devices more, of which `with_whose` knows that they aren't in it.

    In parts, each of which the database finds by an index, and needs no row beside it; without digits all rows.
    """
    if not digits:
        return [rows]
    linked = _linked(digits)
    by_name = (_begins(holder, f"{DEVICE}dev_", digits), is_sampled_reader(holder, digits, READER))
    return [rows.where(each) for each in (*by_name, holder.in_(select(linked.c.holder)))]


@cache
def _linked(digits: int) -> CTE:
    """Devices of the sample's readers that aren't in it by their own names, the same for all parts of a statement.

    As a table of its own: PostgreSQL would look through the links again for each row that it takes to be alone.
    """
    link = ReaderDevice
    return (
        select(link.device_id, (literal(DEVICE) + link.device_id).label("holder"))
        .where(
            is_sampled_reader(link.reader_id.expression, digits),
            ~is_sampled_device(link.device_id.expression, digits),
        )
        .cte("linked")
        .prefix_with("MATERIALIZED")
    )


def sample_line(asked: Asked, digits: int) -> list[Line]:
    """The share of holders that was looked at, where it isn't all of them."""
    part = Cell(rate(digits))
    return [line_of(lambda _: part, asked.steps, SAMPLE)] if digits else []


def _begins(name: ColumnElement[Any], beginning: str, digits: int) -> ColumnElement[bool]:
    first = beginning + SAMPLED * digits
    return name.between(first, f"{first}g")
