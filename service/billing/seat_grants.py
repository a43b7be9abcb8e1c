"""Seats as grants: each that is open gives what its subscription gives, and readers who lose theirs are mailed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import notices
from service.billing.notices import WhyLost, mail_reader
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


@dataclass(frozen=True)
class _Change:
    """When a seat's access ends: as it was `before`, None where it had none yet, and from now on."""

    before: datetime | None
    after: datetime


async def arrange_seats(
    session: AsyncSession,
    context: Context,
    owner: Subscription,
    *,
    leaving: Collection[str | None] = (),
    lowered: bool = False,
    ended: bool = False,
) -> None:
    """Give each seat that is open what its subscription gives, and end the others' access.

    Readers who lose a seat by this call, or will, are mailed, but for those who are `leaving` by themselves. `lowered`:
    this transaction has stored that there will be fewer seats; `ended`: it has ended the subscription. Call it while
    it holds the subscription's row: by a lock, or because it has changed it.
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
    lost: dict[str, tuple[WhyLost, datetime]] = {}
    for row in rows:
        if row.id in arranged.open and until > now:
            row.asked_at = None
        change = await _put_grant(
            session, row, owner, arranged.end_of(row.id, until, now), now,
            in_grace=bought is not None and bought.in_grace,
        )  # fmt: skip
        news = (
            _ended(owner, change, now)
            if ended
            else _lost(row, arranged, change, until, now, lowered=lowered)
        )
        if news is not None:
            lost[row.id] = news
    name = str(await session.scalar(select(Offer.name).where(Offer.id == owner.offer_id)))
    for row in rows:
        if row.id in lost and row.reader_id is not None and row.reader_id not in leaving:
            why, at = lost[row.id]
            notice = notices.seat_lost(row.id, name, at, why=why)
            await mail_reader(session, context, row.reader_id, notice)
    reasons = {why for why, _ in lost.values()}
    if "fewer" in reasons:
        today = now.astimezone(context.settings.zone).date().isoformat()
        notice = notices.seats_closed(
            owner.id, name, today, seats=arranged.number.now, closed=arranged.joined - len(arranged.open)
        )  # fmt: skip
        await mail_reader(session, context, owner.reader_id, notice)
    if "later" in reasons and arranged.number.later_at is not None:
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


def _lost(
    row: Seat,
    arranged: _Arranged,
    change: _Change,
    until: datetime,
    now: datetime,
    *,
    lowered: bool,
) -> tuple[WhyLost, datetime] | None:
    """Why and when the seat's reader loses it by this change; None: they don't, or knew it before."""
    if change.before is not None and change.before > now >= change.after and until > now:
        return ("removed" if row.ended_at is not None else "fewer"), now
    later_at = arranged.number.later_at
    if row.id not in arranged.going or later_at is None:
        return None
    # Where a cancellation was taken back, it ended at that instant before: with all others.
    is_news = lowered or change.before != later_at
    return ("later", later_at) if is_news else None


def _ended(owner: Subscription, change: _Change, now: datetime) -> tuple[WhyLost, datetime] | None:
    """The same as the subscription ends: access that was over before, as unpaid, is no news."""
    over_at = owner.ended_at or now
    ran_until = min(over_at, owner.cancel_at or over_at)
    if change.before is None or change.before < ran_until:
        return None
    return "over", over_at


async def _put_grant(
    session: AsyncSession,
    row: Seat,
    owner: Subscription,
    ends_at: datetime,
    now: datetime,
    *,
    in_grace: bool,
) -> _Change:
    before = await find_grant(session, "seat", row.id)
    starts_at = row.joined_at or now
    ends_at = max(starts_at, ends_at)
    change = _Change(before.ends_at if before is not None else None, ends_at)
    scope = plan_scope(owner.plan)
    if before is not None:
        was_over = before.ends_at is not None and before.ends_at <= now
        if was_over and ends_at <= now:
            return change
        if (before.scope, before.ends_at, before.in_grace) == (scope, ends_at, in_grace):
            return change
    await put_grant(
        session, source="seat", reference=row.id, reader_id=row.reader_id or "", scope=scope,
        starts_at=starts_at, ends_at=ends_at, in_grace=in_grace, now=now,
    )  # fmt: skip
    return change
