"""The access ledger by day: what is added up already, and the rest from its own rows."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, HolderDay, LedgerDay, RolledDay
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.queries import kept_rows
from service.reports.queries.touched import with_split
from service.reports.rollups import holder_days, ledger_days


async def by_article(session: AsyncSession, asked: Asked) -> Subquery:
    """The rows of `LedgerDay` in the period."""
    return await _days(session, asked, LedgerDay, ledger_days())


async def days_of_holders(session: AsyncSession, asked: Asked, digits: int = 0) -> Subquery:
    """The rows of `HolderDay` in the period; with `digits` those of a sample of the holders (kept_rows.py)."""
    return await _days(session, asked, HolderDay, holder_days(), digits)


async def by_holder(session: AsyncSession, asked: Asked, digits: int = 0) -> Subquery:
    """The same with `whose`, and with `split` where a source is asked for."""
    days = await days_of_holders(session, asked, digits)
    whose = with_whose(days, digits).subquery("whose_days")
    return with_split(whose, asked, digits).subquery("split_days")


def with_whose(rows: Subquery, digits: int = 0) -> Select[Any]:
    """Rows that have a holder, with `whose`: the reader that a device belongs to, else the holder.

    With `digits` those of a sample, where the rows are `kept_rows.of_sample`.
    """
    # By the device's own name, which SQLite finds by an index.
    device = func.substr(rows.c.holder, len(DEVICE) + 1)
    link = kept_rows.links_of_sample(digits).c
    links = select(link.device_id, func.min(link.reader_id).label("reader_id"))
    joined = links.group_by(link.device_id).subquery("joined")
    whose = func.coalesce(literal(READER) + joined.c.reader_id, rows.c.holder)
    linked = and_(joined.c.device_id == device, rows.c.holder.startswith(DEVICE))
    found = select(rows, whose.label("whose")).outerjoin(joined, linked)
    return found.where(kept_rows.is_sampled(whose, digits)) if digits else found


async def _days(
    session: AsyncSession,
    asked: Asked,
    table: type[HolderDay | LedgerDay],
    live: Select[Any],
    digits: int = 0,
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
    holder = HolderDay.holder.expression
    if not rest:
        return union_all(*kept_rows.of_sample(added_up, holder, digits)).subquery("days")
    unrolled: ColumnElement[bool] = AccessEntry.day.in_(rest)
    if len(rest) == len(all_days):
        unrolled = AccessEntry.day.between(first, last)
    # Another process may add one of them up between these two statements.
    added_up = added_up.where(table.day.not_in(rest))
    late = AccessEntry.holder.expression
    return union_all(
        *kept_rows.of_sample(added_up, holder, digits),
        *kept_rows.of_sample(live.where(unrolled), late, digits),
    ).subquery("days")
