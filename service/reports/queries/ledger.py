"""The access ledger by day: what is added up already, and the rest from its own rows."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, HolderDay, LedgerDay, ReaderDevice, RolledDay
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.queries.touched import with_split
from service.reports.rollups import holder_days, ledger_days


async def by_article(session: AsyncSession, asked: Asked) -> Subquery:
    """The rows of `LedgerDay` in the period."""
    return await _days(session, asked, LedgerDay, ledger_days())


async def days_of_holders(session: AsyncSession, asked: Asked) -> Subquery:
    """The rows of `HolderDay` in the period."""
    return await _days(session, asked, HolderDay, holder_days())


async def by_holder(session: AsyncSession, asked: Asked) -> Subquery:
    """The rows of `HolderDay` in the period with `whose`, and with `split` where a source is asked for."""
    days = await days_of_holders(session, asked)
    return with_split(with_whose(days).subquery("whose_days"), asked).subquery("split_days")


def with_whose(rows: Subquery) -> Select[Any]:
    """Rows that have a holder, with `whose`: the reader that a device belongs to, else the holder."""
    # By the device's own name, which SQLite finds by an index.
    device = func.substr(rows.c.holder, len(DEVICE) + 1)
    joined = (
        select(ReaderDevice.device_id, func.min(ReaderDevice.reader_id).label("reader_id"))
        .group_by(ReaderDevice.device_id)
        .subquery("joined")
    )
    whose = func.coalesce(literal(READER) + joined.c.reader_id, rows.c.holder).label("whose")
    linked = and_(joined.c.device_id == device, rows.c.holder.startswith(DEVICE))
    return select(rows, whose).outerjoin(joined, linked)


async def _days(
    session: AsyncSession, asked: Asked, table: type[HolderDay | LedgerDay], live: Select[Any]
) -> Subquery:
    first, last = asked.period.first, min(asked.period.last, asked.today)
    rolled = set(
        await session.scalars(
            select(RolledDay.day).where(RolledDay.day >= first, RolledDay.day <= last)
        )
    )
    all_days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rest = [day for day in all_days if day not in rolled]
    columns = list(table.__table__.columns)
    added_up = select(*columns).where(table.day >= first, table.day <= last)
    if not rest:
        return added_up.subquery("days")
    unrolled: ColumnElement[bool] = AccessEntry.day.in_(rest)
    if len(rest) == len(all_days):
        unrolled = AccessEntry.day.between(first, last)
    # Another process may add one of them up between these two statements.
    added_up = added_up.where(table.day.not_in(rest))
    return union_all(added_up, live.where(unrolled)).subquery("days")
