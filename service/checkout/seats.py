"""What an owner is shown of the seats of their subscription."""

from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.seats import NEWEST, Shared, shared_by
from service.db.keyset import Page
from service.db.tables import Grant, Seat, Subscription
from service.grants.link_tokens import link_key
from service.html.list_query import ListQuery
from service.problems import Problem
from service.settings import Settings


@dataclass(frozen=True)
class OwnedSeats:
    """The seats with their grants; `shared` None: the reader has no subscription with seats that runs."""

    shared: Shared | None
    page: Page[tuple[Seat, Grant | None]]


async def seats_of(session: AsyncSession, owner_id: str, asked: ListQuery) -> OwnedSeats:
    """Those that weren't removed, the newest first."""
    statement = (
        select(Seat, Grant)
        .join(Subscription, Subscription.id == Seat.subscription_id)
        .outerjoin(Grant, and_(Grant.source == "seat", Grant.reference == Seat.id))
        .where(Subscription.reader_id == owner_id, Seat.ended_at.is_(None))
    )
    page = await NEWEST.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return OwnedSeats(await shared_by(session, owner_id), page.map(lambda row: (row[0], row[1])))


def seat_id_of(token: str, settings: Settings) -> str:
    """The id that a seat's link names. Problem `not-found` where it was changed."""
    found = link_key(settings).read(token)
    if found is None:
        raise Problem("not-found", "This link isn’t complete. Open it as it was sent.")
    return found
