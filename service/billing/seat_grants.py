"""Seats as grants: each that is open gives what its subscription gives, and readers who lose theirs are mailed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import notices
from service.billing.lifecycle import TERMINAL_STATUS
from service.billing.notices import Notice, mail_reader
from service.billing.seat_terms import JoinedSeat, NumberOfSeats, seated, seats_at
from service.db.context import Context
from service.db.tables import Offer, Seat, Subscription
from service.grants.grants import plan_scope
from service.grants.store import find_grant, put_grant


@dataclass(frozen=True)
class _Arranged:
    """Who of those who joined reads by a seat of the `number` now, and who still will when there are fewer."""

    number: NumberOfSeats
    joined: int
    open: frozenset[str]
    staying: frozenset[str]

    @property
    def going(self) -> frozenset[str]:
        return self.open - self.staying

    def end_of(self, seat_id: str, until: datetime, now: datetime) -> datetime:
        """`until` is the end of what the subscription gives."""
        if seat_id in self.staying:
            return until
        if seat_id in self.open and self.number.later_at is not None:
            return min(until, self.number.later_at)
        return min(until, now)


async def arrange_seats(
    session: AsyncSession,
    context: Context,
    owner: Subscription,
    *,
    leaving: Collection[str | None] = (),
) -> None:
    """Give each seat that is open what its subscription gives, and end the others' access.

    Readers who lose a seat, or will, are mailed, but for those who are `leaving` by themselves. Call it while this
    transaction holds the subscription's row: by a lock, or because it has changed it.
    """
    now = context.clocks.business()
    rows = list(
        await session.scalars(
            select(Seat)
            .where(Seat.subscription_id == owner.id, Seat.reader_id.is_not(None))
            .order_by(Seat.joined_at, Seat.id)
            .execution_options(populate_existing=True)
        )
    )
    if not rows:
        return
    bought = await find_grant(session, "subscription", owner.id)
    until = bought.ends_at if bought is not None and bought.ends_at is not None else now
    arranged = _arranged(rows, owner, until, now)
    closed = set()
    for row in rows:
        if row.id in arranged.open and until > now:
            row.asked_at = None
        was_closed = await _put_grant(
            session, row, owner, arranged.end_of(row.id, until, now), now,
            in_grace=bought is not None and bought.in_grace,
        )  # fmt: skip
        if was_closed and until > now:
            closed.add(row.id)
    name = str(await session.scalar(select(Offer.name).where(Offer.id == owner.offer_id)))
    for row in rows:
        notice = _notice(row, owner, name, arranged, now, is_closed=row.id in closed)
        if notice is not None and row.reader_id is not None and row.reader_id not in leaving:
            await mail_reader(session, context, row.reader_id, notice)
    if any(row.id in closed and row.ended_at is None for row in rows):
        today = now.astimezone(context.settings.zone).date().isoformat()
        notice = notices.seats_closed(
            owner.id, name, today, seats=arranged.number.now, closed=arranged.joined - len(arranged.open)
        )  # fmt: skip
        await mail_reader(session, context, owner.reader_id, notice)
    if arranged.going and arranged.number.later_at is not None:
        notice = notices.seats_closing(
            owner.id, name, arranged.number.later_at, seats=arranged.number.later or 1,
            closed=arranged.joined - len(arranged.staying),
        )  # fmt: skip
        await mail_reader(session, context, owner.reader_id, notice)


def _arranged(
    rows: Collection[Seat], owner: Subscription, until: datetime, now: datetime
) -> _Arranged:
    joined = [JoinedSeat(row.id, row.joined_at or now) for row in rows if row.ended_at is None]
    number = seats_at(owner, now)
    if number.later_at is not None and number.later_at >= until:
        number = NumberOfSeats(number.now)  # all of them end by then
    is_open = seated(joined, number.now)
    staying = is_open if number.later is None else seated(joined, number.later)
    return _Arranged(number, len(joined), is_open, staying)


def _notice(
    row: Seat,
    owner: Subscription,
    name: str,
    arranged: _Arranged,
    now: datetime,
    *,
    is_closed: bool,
) -> Notice | None:
    """What the seat's reader is mailed; None: nothing is to be said."""
    if is_closed:
        return notices.seat_lost(
            row.id, name, now, why="removed" if row.ended_at is not None else "fewer"
        )
    if row.id not in arranged.open:
        return None
    if owner.status == TERMINAL_STATUS:
        return notices.seat_lost(row.id, name, owner.ended_at or now, why="over")
    if row.id in arranged.going and arranged.number.later_at is not None:
        return notices.seat_lost(row.id, name, arranged.number.later_at, why="later")
    return None


async def _put_grant(
    session: AsyncSession,
    row: Seat,
    owner: Subscription,
    ends_at: datetime,
    now: datetime,
    *,
    in_grace: bool,
) -> bool:
    """Whether it ended access that ran until now."""
    before = await find_grant(session, "seat", row.id)
    starts_at = row.joined_at or now
    ends_at = max(starts_at, ends_at)
    scope = plan_scope(owner.plan)
    if before is not None:
        was_over = before.ends_at is not None and before.ends_at <= now
        if was_over and ends_at <= now:
            return False
        if (before.scope, before.ends_at, before.in_grace) == (scope, ends_at, in_grace):
            return False
    ran = before is not None and (before.ends_at is None or before.ends_at > now)
    await put_grant(
        session, source="seat", reference=row.id, reader_id=row.reader_id or "", scope=scope,
        starts_at=starts_at, ends_at=ends_at, in_grace=in_grace, now=now,
    )  # fmt: skip
    return ran and ends_at <= now
