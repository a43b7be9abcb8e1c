"""Read-only SQL over movements: the rows behind a bar of MRR's movements, each with its reader."""

from dataclasses import dataclass
from typing import get_args

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.movements import Kind
from service.db.keyset import Keyset, Page
from service.db.tables import MovementRow, Offer, Reader, Subscription
from service.reports.asked import Asked

KINDS: tuple[Kind, ...] = get_args(Kind)
_NEWEST_FIRST = Keyset(MovementRow.at, MovementRow.subscription_id, MovementRow.number)


@dataclass(frozen=True)
class Moved:
    """A movement with whose it is; without `reader_id` the reader was erased, or isn't known."""

    row: MovementRow
    reader_id: str | None
    email: str | None
    offer_name: str | None


async def list_movements(
    session: AsyncSession, asked: Asked, kind: Kind | None, *, cursor: str | None, limit: int
) -> Page[Moved]:
    """Those of the period, the newest first. Raises Problem `invalid-request` for a cursor that isn't ours."""
    statement = (
        select(MovementRow, Reader.id, Reader.email, Offer.name)
        .outerjoin(Subscription, Subscription.id == MovementRow.subscription_id)
        .outerjoin(Reader, (Reader.id == Subscription.reader_id) & Reader.erased_at.is_(None))
        .outerjoin(Offer, Offer.id == Subscription.offer_id)
        .where(MovementRow.at >= asked.since, MovementRow.at < asked.until)
    )
    if kind is not None:
        statement = statement.where(MovementRow.kind == kind)
    page = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
    return page.map(lambda row: Moved(*row[:4]))
