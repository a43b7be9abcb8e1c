"""Seats of a subscription that is priced by quantity: invited by its owner, taken by other readers.

What a seat gives is a grant of its own, which ends when the subscription's does. Whatever changes who reads by
a subscription's seats holds the subscription's row: after the reader's turn, before a seat's row.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Select, and_, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.billing import notices
from service.billing.notices import mail_reader
from service.billing.seat_grants import arrange_seats
from service.billing.seat_terms import (
    REFUSAL_WORDS,
    NumberOfSeats,
    SeatFacts,
    may_take,
    others_of,
    seats_at,
)
from service.billing.statuses import LIVE_STATUSES
from service.db.base import new_id
from service.db.context import Context
from service.db.keyset import Keyset
from service.db.tables import Grant, Offer, Seat, Subscription
from service.grants.grants import GrantFacts, plan_scope
from service.grants.link_tokens import link_key
from service.grants.store import find_grant
from service.identity.audit import record
from service.identity.email import checked_address
from service.identity.readers import settled_reader, take_turn
from service.limits.rate import Limit, too_many
from service.outbox.mails import put_mail
from service.problems import Problem
from service.settings import Settings

_DAY = timedelta(days=1)
_MORE_A_DAY = 10
"""Invitations a day beyond the number of seats: some are removed and given again."""
_ASKS_AGAIN = timedelta(days=7)
NEWEST = Keyset(Seat.created_at, Seat.id)


@dataclass(frozen=True)
class Shared:
    """A subscription with several seats; `taken` are invitations and those who joined."""

    subscription: Subscription
    name: str
    taken: int
    number: NumberOfSeats

    @property
    def room(self) -> int:
        """How many more readers can be invited."""
        return max(0, others_of(self.number.now) - self.taken)


def seat_address(seat_id: str, settings: Settings) -> str:
    """Where a seat is taken. Who has this link can take it."""
    return f"{settings.public_url}/seat/{link_key(settings).sign(seat_id)}"


async def shared_by(session: AsyncSession, owner_id: str, now: datetime) -> Shared | None:
    """The owner's running subscription with several seats; None: there is none."""
    found = (
        await session.execute(
            select(Subscription, Offer.name)
            .join(Offer, Offer.id == Subscription.offer_id)
            .where(
                Subscription.reader_id == owner_id, Subscription.seats > 1,
                Subscription.status.in_(LIVE_STATUSES),
            )
            .order_by(Subscription.started_at.desc(), Subscription.id)
            .limit(1)
            .execution_options(populate_existing=True)
        )
    ).first()  # fmt: skip
    if found is None:
        return None
    number = seats_at(found[0], now)
    if number.now <= 1:
        return None
    taken = await session.scalar(
        select(func.count())
        .select_from(Seat)
        .where(Seat.subscription_id == found[0].id, Seat.ended_at.is_(None))
    )
    return Shared(found[0], found[1], taken or 0, number)


async def invite(
    session: AsyncSession, context: Context, owner_id: str, *, email: str | None
) -> Seat:
    """A seat for somebody, mailed to this address; without one the owner hands its link over.

    Problems `no-seats`, where the owner has none to give, `invalid-email`, and `too-many-requests`.
    """
    await take_turn(session, owner_id)
    shared = await shared_by(session, owner_id, context.clocks.business())
    if shared is None:
        raise Problem("no-seats", "You have no subscription with seats for others.")
    if not shared.room:
        raise Problem(
            "no-seats", "All seats are taken. Remove a reader first, or subscribe to more."
        )
    address = checked_address(email) if email is not None else None
    await _limit(session, shared.subscription, context.clocks.business())
    seat = Seat(
        id=new_id("sea"), subscription_id=shared.subscription.id, reader_id=None,
        email=address.text if address is not None else None,
        created_at=context.clocks.business(), joined_at=None, ended_at=None, asked_at=None,
    )  # fmt: skip
    session.add(seat)
    await session.flush()
    if address is not None:
        await put_mail(
            session, kind="seat", to=address.text, to_key=address.key, reader_id=None,
            settings=context.settings, now=context.clocks.wall(),
            link=seat_address(seat.id, context.settings),
        )  # fmt: skip
    return seat


async def _limit(session: AsyncSession, owner: Subscription, now: datetime) -> None:
    """Who invites, removes and invites again doesn't mail strangers without end."""
    most = owner.seats + _MORE_A_DAY
    made = await session.scalar(
        select(func.count())
        .select_from(Seat)
        .where(Seat.subscription_id == owner.id, Seat.created_at > now - _DAY)
    )
    if (made or 0) >= most:
        told = f"You can invite {most} times a day. Try again tomorrow."
        raise too_many(Limit("seats", most, _DAY, told), _DAY)


async def find_seat(session: AsyncSession, seat_id: str) -> Seat:
    """Problem `not-found`."""
    found: Seat | None = await session.scalar(
        select(Seat).where(Seat.id == seat_id).execution_options(populate_existing=True)
    )
    if found is None:
        raise Problem("not-found", "Seat not found. Open the link exactly as it was sent.")
    return found


async def _hold(session: AsyncSession, subscription_id: str) -> Subscription:
    """The subscription as it is stored now; until the transaction ends nobody else changes its seats."""
    found: Subscription = (
        await session.scalars(
            select(Subscription)
            .where(Subscription.id == subscription_id)
            # Rows that name it may still be added.
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()
    return found


async def facts_of(
    session: AsyncSession, seat: Seat, owner: Subscription, now: datetime
) -> SeatFacts:
    """What decides who may take the seat."""
    joined = await session.scalars(
        select(Seat.reader_id).where(
            Seat.subscription_id == owner.id, Seat.ended_at.is_(None), Seat.reader_id.is_not(None)
        )
    )
    return SeatFacts(
        is_removed=seat.ended_at is not None, holder=seat.reader_id, owner=owner.reader_id,
        is_running=owner.status in LIVE_STATUSES, seats=seats_at(owner, now).now,
        joined=[each for each in joined if each is not None],
    )  # fmt: skip


async def take_seat(
    session: AsyncSession, context: Context, seat_id: str, *, reader_id: str
) -> Seat:
    """Let the reader read by the seat; repeating it changes nothing.

    Problems `not-found`, and `seat-closed` where the reader can't take it (seat_terms.py).
    """
    reader_id = await settled_reader(session, reader_id)
    owner = await _hold(session, (await find_seat(session, seat_id)).subscription_id)
    seat = await find_seat(session, seat_id)
    reason = may_take(await facts_of(session, seat, owner, context.clocks.business()), reader_id)
    if reason == "has_it":
        return seat
    if reason != "may_take":
        raise Problem("seat-closed", REFUSAL_WORDS[reason])
    seat.reader_id, seat.joined_at, seat.email = reader_id, context.clocks.business(), None
    await session.flush()
    await arrange_seats(session, context, owner)
    return seat


async def end_seat(
    session: AsyncSession,
    context: Context,
    seat_id: str,
    *,
    reader_id: str | None,
    actor: str | None = None,
) -> None:
    """Remove a reader, take an invitation back, or leave one's own seat; repeating it changes nothing.

    `reader_id` is the subscription's owner, or who has taken the seat; None: anybody may. `actor` is who of
    the staff does it.
    """
    owner = await _hold(session, (await find_seat(session, seat_id)).subscription_id)
    seat = await find_seat(session, seat_id)
    if reader_id is not None and reader_id not in {owner.reader_id, seat.reader_id}:
        raise Problem("not-found", "You have no such seat. Take its id from the list.")
    if seat.ended_at is not None:
        return
    now = context.clocks.business()
    seat.ended_at, seat.email = now, None
    await session.flush()
    by_themselves = [seat.reader_id] if seat.reader_id == reader_id else []
    await arrange_seats(session, context, owner, leaving=by_themselves)
    if actor is not None:
        await record(
            session, actor=actor, action="seat.end", target=seat.id,
            after={"ended_at": now.isoformat()}, now=now,
        )  # fmt: skip


async def ask_for_more(
    session: AsyncSession, context: Context, seat_id: str, *, reader_id: str
) -> None:
    """Ask the owner for more seats, for a reader who has taken one that opens nothing.

    Repeating it changes nothing, nor does asking with a seat that opens. The owner is mailed once a day, and each
    reader asks once in a week.
    """
    now = context.clocks.business()
    owner = await _hold(session, (await find_seat(session, seat_id)).subscription_id)
    seat = await find_seat(session, seat_id)
    if seat.reader_id != reader_id or seat.ended_at is not None:
        raise Problem("not-found", "You have no such seat. Look at your account.")
    grant = await find_grant(session, "seat", seat.id)
    bought = await find_grant(session, "subscription", owner.id)
    if not _may_ask(seat, _end_of(grant), _end_of(bought), now):
        return
    if owner.status not in LIVE_STATUSES:
        raise Problem("seat-closed", "The subscription of this seat has ended.")
    seat.asked_at = now
    name = await session.scalar(select(Offer.name).where(Offer.id == owner.offer_id))
    today = now.astimezone(context.settings.zone).date().isoformat()
    notice = notices.seat_asked(owner.id, str(name), today)
    await mail_reader(session, context, owner.reader_id, notice)


async def leave_seats(session: AsyncSession, context: Context, reader_ids: Collection[str]) -> None:
    """End the seats that these readers have taken: they are free for others. Safe to repeat."""
    found = await session.scalars(
        select(Seat.subscription_id)
        .where(Seat.reader_id.in_(reader_ids), Seat.ended_at.is_(None))
        .distinct()
    )
    for subscription_id in sorted(found):
        owner = await _hold(session, subscription_id)
        await session.execute(
            update(Seat)
            .where(
                Seat.subscription_id == subscription_id, Seat.reader_id.in_(reader_ids),
                Seat.ended_at.is_(None),
            )
            .values(ended_at=context.clocks.business())
        )  # fmt: skip
        await arrange_seats(session, context, owner, leaving=reader_ids)


@dataclass(frozen=True)
class HeldSeat:
    """A seat that a reader has taken, in the subscription of this name. `until` None: it opens nothing now,
    for want of seats or, where the subscription is not `paid`, of its payment.
    """

    id: str
    name: str
    plan: str
    joined_at: datetime
    until: datetime | None
    asked_at: datetime | None
    """When the reader asked for more seats."""
    paid: bool
    may_ask: bool
    before_others: bool
    """It ends before the subscription does, which is to have fewer seats."""


async def held_seats(session: AsyncSession, reader_id: str, now: datetime) -> list[HeldSeat]:
    """Those of subscriptions that run, the newest first; whose they are isn't said."""
    found = await session.execute(_held_by_one(), {"reader_id": reader_id})
    return [
        HeldSeat(
            seat.id, name, owner.plan, seat.joined_at or seat.created_at,
            ends if ends and ends > now else None, seat.asked_at, paid=_runs(paid_until, now),
            may_ask=_may_ask(seat, ends, paid_until, now),
            before_others=end_of_seat(ends, owner, now) is not None,
        )
        for seat, name, owner, ends, paid_until in found
    ]  # fmt: skip


@cache
def _held_by_one() -> Select[Seat, str, Subscription, datetime | None, datetime | None]:
    """Built once: that takes longer than to execute it."""
    bought = aliased(Grant)
    return (
        select(Seat, Offer.name, Subscription, Grant.ends_at, bought.ends_at)
        .join(Subscription, Subscription.id == Seat.subscription_id)
        .join(Offer, Offer.id == Subscription.offer_id)
        .outerjoin(Grant, and_(Grant.source == "seat", Grant.reference == Seat.id))
        .outerjoin(
            bought, and_(bought.source == "subscription", bought.reference == Subscription.id)
        )
        .where(
            Seat.reader_id == bindparam("reader_id"), Seat.ended_at.is_(None),
            Subscription.status.in_(LIVE_STATUSES),
        )
        .order_by(Seat.joined_at.desc(), Seat.id)
    )  # fmt: skip


def end_of_seat(ends_at: datetime | None, owner: Subscription, now: datetime) -> datetime | None:
    """When a seat ends because its subscription is to have fewer; None: that isn't foreseen. `ends_at` is its grant's."""
    later_at = seats_at(owner, now).later_at
    return later_at if later_at is not None and ends_at == later_at else None


def _end_of(grant: GrantFacts | None) -> datetime | None:
    return grant.ends_at if grant is not None else None


def _runs(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is not None and ends_at > now


def _may_ask(
    seat: Seat, ends_at: datetime | None, paid_until: datetime | None, now: datetime
) -> bool:
    """The ends of its own grant, and of its subscription's: where that isn't paid, seats aren't missing."""
    wants_room = _runs(paid_until, now) and not _runs(ends_at, now)
    return wants_room and (seat.asked_at is None or seat.asked_at <= now - _ASKS_AGAIN)


async def has_seat(session: AsyncSession, reader_id: str, plan: str, now: datetime) -> bool:
    """Whether the reader reads this plan by a seat."""
    found = await session.scalar(
        select(Grant.id)
        .where(
            Grant.reader_id == reader_id, Grant.source == "seat", Grant.scope == plan_scope(plan),
            Grant.starts_at <= now, Grant.ends_at > now,
        )
        .limit(1)
    )  # fmt: skip
    return found is not None
