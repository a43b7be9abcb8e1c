"""Seats as the newsroom sees them."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.seats import NEWEST, end_of_seat
from service.bodies import ListOut
from service.checkout.seat_schemas import SeatState, state_of
from service.db.keyset import Page
from service.db.tables import Grant, Seat, Subscription
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.identity.readers import ids_named
from service.reports.schemas import Storable


class SeatQuery(ListQuery):
    """`owner` is a reader's address or id: the seats of their subscriptions alone."""

    owner: Annotated[Annotated[str, Storable, Field(max_length=254)] | None, EMPTY_IS_NONE] = None


AnySeats = Annotated[SeatQuery, Query()]


class SeatItem(BaseModel):
    """One seat. `owner_id` pays for it, `reader_id` has taken it."""

    id: str
    state: SeatState
    subscription_id: str
    owner_id: str
    reader_id: str | None
    email: str | None
    created_at: AwareDatetime
    joined_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    """When it opens nothing any more, because the subscription is to have fewer seats; null: that isn't foreseen."""

    @classmethod
    def of(cls, seat: Seat, owner: Subscription, grant: Grant | None, now: datetime) -> Self:
        ends_at = grant.ends_at if grant is not None else None
        return cls(
            id=seat.id, state=state_of(seat, grant, now), subscription_id=seat.subscription_id,
            ends_at=end_of_seat(ends_at, owner, now), owner_id=owner.reader_id, reader_id=seat.reader_id, email=seat.email,
            created_at=seat.created_at, joined_at=seat.joined_at, ended_at=seat.ended_at,
        )  # fmt: skip


class SeatItems(ListOut[SeatItem]):
    pass


async def list_seats(session: AsyncSession, asked: SeatQuery, now: datetime) -> Page[SeatItem]:
    """Those that were removed among them, the newest first."""
    statement = (
        select(Seat, Subscription, Grant)
        .join(Subscription, Subscription.id == Seat.subscription_id)
        .outerjoin(Grant, and_(Grant.source == "seat", Grant.reference == Seat.id))
    )
    if asked.owner is not None:
        statement = statement.where(Subscription.reader_id.in_(ids_named(asked.owner)))
    found = await NEWEST.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return found.map(lambda row: SeatItem.of(row[0], row[1], row[2], now))
