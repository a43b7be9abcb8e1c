"""Days of which money changed: reports count them from the rows until they are added up again."""

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import CompoundSelect, delete, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    BalanceRow,
    BookedDay,
    ChargeRow,
    DisputeRow,
    InvoiceRow,
    RefundRow,
)


async def forget_changed_days(
    session: AsyncSession, charges: Collection[str], invoices: Collection[str], zone: ZoneInfo
) -> None:
    """Days of these charges with all that is about them, and those on which these invoices were paid."""
    moments: CompoundSelect[datetime] = union(
        select(ChargeRow.created_at).where(ChargeRow.id.in_(charges)),
        *(
            select(table.created_at).where(table.charge_id.in_(charges))
            for table in (RefundRow, DisputeRow, BalanceRow)
        ),
        select(InvoiceRow.paid_at).where(
            InvoiceRow.id.in_(invoices), InvoiceRow.paid_at.is_not(None)
        ),
    )
    days = {at.astimezone(zone).date() for at in await session.scalars(moments)}
    if days:
        await session.execute(delete(BookedDay).where(BookedDay.day.in_(days)))
