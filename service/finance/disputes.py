"""Which disputes wait for somebody."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ChargeRow, DisputeRow

NEEDS_ANSWER = ("needs_response", "warning_needs_response")
OPEN_DISPUTES = (*NEEDS_ANSWER, "under_review", "warning_under_review")
"""The bank hasn't decided."""


async def disputes_to_answer(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many of charges for what we sell Stripe waits to hear about, and the next deadline."""
    found = await session.execute(
        select(func.count(), func.min(DisputeRow.due_at))
        .join(ChargeRow, ChargeRow.id == DisputeRow.charge_id)
        .where(DisputeRow.status.in_(NEEDS_ANSWER), ChargeRow.sold != "other")
    )
    number, due = found.one()
    return number, due
