"""The access ledger's own rows: since when they are kept, and a sample of holders where there are many."""

from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, RolledDay
from service.identity.devices import SAMPLED
from service.metering.store import DEVICE, READER
from service.reports.cells import Cell, none

_DIGITS = 16


async def gone_before(session: AsyncSession, first: date, last: date) -> date | None:
    """The first day of which rows are kept, where days of the period had rows before it."""
    kept = await session.scalar(select(func.min(AccessEntry.day)))
    had = await session.scalar(
        select(func.min(RolledDay.day)).where(
            RolledDay.day.between(first, last), RolledDay.rows > 0
        )
    )
    return (
        (kept or last + timedelta(days=1))
        if had is not None and (kept is None or had < kept)
        else None
    )


async def sample(session: AsyncSession, first: date, last: date, most: int) -> int:
    """How many digits of their names a sample's holders have in common, so that it has about `most` rows;
    0: there aren't more.
    """
    rows, digits = await _count(session, first, last), 0
    while rows > most * _DIGITS**digits:
        digits += 1
    return digits


async def _count(session: AsyncSession, first: date, last: date) -> int:
    """The number of the ledger's rows in these days; those that are added up aren't counted again."""
    rolled = select(RolledDay.day).where(RolledDay.day.between(first, last))
    added_up = await session.scalar(
        select(func.sum(RolledDay.rows)).where(RolledDay.day.between(first, last))
    )
    rest = await session.scalar(
        select(func.count())
        .select_from(AccessEntry)
        .where(AccessEntry.day.between(first, last), AccessEntry.day.not_in(rolled))
    )
    return int(added_up or 0) + int(rest or 0)


def rate(digits: int) -> Fraction:
    """The share of holders that are in a sample."""
    return Fraction(1, _DIGITS**digits)


def deleted(gone: date) -> Cell:
    """No value, since rows are deleted."""
    return none(f"Reads and walls before {gone} are deleted, and this needs each of them.")


def on_days(first: date, last: date) -> ColumnElement[bool]:
    """Each day by itself, so that a sample is found in each by the index of days and holders."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return AccessEntry.day.in_(days) if days else literal(False)


def sampled(digits: int) -> list[ColumnElement[bool]]:
    """The holders of the sample: a sixteenth for each digit with which their names begin."""
    if not digits:
        return []
    prefixes = [f"{DEVICE}dev_{SAMPLED * digits}", f"{READER}rdr_{SAMPLED * digits}"]
    return [or_(*(AccessEntry.holder.between(each, f"{each}g") for each in prefixes))]
