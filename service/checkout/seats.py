"""What is shown of seats: to the owner of their subscription, and to who holds a seat's link."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.seat_terms import REFUSAL_WORDS, TakingReason, may_take
from service.billing.seats import NEWEST, Shared, facts_of, find_seat, shared_by
from service.db.context import Context
from service.db.keyset import Page
from service.db.tables import Grant, Seat, Subscription
from service.grants.link_tokens import link_key
from service.html.list_query import ListQuery
from service.problems import Problem
from service.settings import Settings


@dataclass(frozen=True)
class OwnedSeats:
    """The seats with their grants and subscriptions; `shared` None: the reader has none with seats that runs."""

    shared: Shared | None
    page: Page[tuple[Seat, Grant | None, Subscription]]


async def seats_of(
    session: AsyncSession, owner_id: str, asked: ListQuery, now: datetime
) -> OwnedSeats:
    """Those that weren't removed, the newest first."""
    statement = (
        select(Seat, Grant, Subscription)
        .join(Subscription, Subscription.id == Seat.subscription_id)
        .outerjoin(Grant, and_(Grant.source == "seat", Grant.reference == Seat.id))
        .where(Subscription.reader_id == owner_id, Seat.ended_at.is_(None))
    )
    page = await NEWEST.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    shared = await shared_by(session, owner_id, now)
    return OwnedSeats(shared, page.map(lambda row: (row[0], row[1], row[2])))


def seat_id_of(token: str, settings: Settings) -> str:
    """The id that a seat's link names. Problem `not-found` where it was changed."""
    found = link_key(settings).read(token)
    if found is None:
        raise Problem("not-found", "This link is incomplete. Open it exactly as it was sent.")
    return found


@dataclass(frozen=True)
class Invitation:
    """A seat for who holds its link, with its grant where it is theirs; `refusal` says why they can't take it."""

    seat: Seat
    grant: Grant | None
    taking: TakingReason

    @property
    def refusal(self) -> str:
        return REFUSAL_WORDS.get(self.taking, "")


async def invitation_of(
    session: AsyncSession, token: str, reader_id: str | None, context: Context
) -> Invitation:
    """Without any effect. Problem `not-found` where there is no such seat."""
    seat = await find_seat(session, seat_id_of(token, context.settings))
    owner = await session.get_one(Subscription, seat.subscription_id)
    theirs = select(Grant).where(Grant.source == "seat", Grant.reference == seat.id)
    is_theirs = seat.reader_id is not None and seat.reader_id == reader_id
    grant: Grant | None = await session.scalar(theirs) if is_theirs else None
    facts = await facts_of(session, seat, owner, context.clocks.business())
    return Invitation(seat, grant, may_take(facts, reader_id))
