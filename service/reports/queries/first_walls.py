"""What holders did after their first wall: registered, began to buy, paid."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import Subquery, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import Checkout, MovementRow, Pass, Reader, Subscription
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none, ratio, share
from service.reports.queries import ledger
from service.reports.queries.holders import (
    BySplit,
    by_step_and_whole,
    counted,
    place_of,
    splits_of,
)

DAYS_TO_PAY = (1, 3, 7, 30)
_LONGEST = timedelta(days=DAYS_TO_PAY[-1])
_OF = "holders who met a wall"
Waits = dict[str, timedelta]
"""By holder: how long after the first wall."""


@dataclass(frozen=True)
class After:
    """How many holders met the wall, by split and step; of those to whom something happened later, when."""

    met: BySplit = field(default_factory=counted)
    waits: defaultdict[tuple[str, int | None], Waits] = field(
        default_factory=lambda: defaultdict(dict)
    )
    walls: dict[tuple[str, int | None, str], datetime] = field(default_factory=dict)
    """When these holders met it, by split, step and holder."""

    def within(self, split: str, at: int | None, longest: timedelta) -> set[str]:
        """The holders to whom it happened so soon."""
        return {whose for whose, wait in self.waits[split, at].items() if wait <= longest}


async def paid_after_a_wall(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders whose first payment came within days of their first wall ÷ holders who met one.

    Those who didn't pay left at the wall, or in a checkout that they began after it.
    """
    days = await ledger.by_holder(session, asked)
    paid = await _after_the_first(session, asked, days, "subscribe_wall_at", _payments())
    begun = await _after_the_first(session, asked, days, "subscribe_wall_at", _checkouts())

    def lines(split: str) -> list[Line]:
        met = paid.met[split]

        def in_checkout(at: int | None) -> int:
            payers = paid.within(split, at, _LONGEST)
            return len(begun.within(split, at, _LONGEST) - payers)

        def at_wall(at: int | None) -> int:
            return met[at] - len(paid.within(split, at, _LONGEST)) - in_checkout(at)

        def part(of: Callable[[int | None], int]) -> Callable[[int | None], Cell]:
            return _once_over(asked, _LONGEST, lambda at: share(of(at), met[at], of=_OF))

        shares = {
            f"within_{each}": _within(asked, paid, split, timedelta(days=each))
            for each in DAYS_TO_PAY
        }
        shares |= {"left_at_checkout": part(in_checkout), "left_at_wall": part(at_wall)}
        return [line_of(make, asked.steps, name, split=split) for name, make in shares.items()]

    return [line for split in splits_of(asked, paid.met) for line in lines(split)]


async def registration_funnel(session: AsyncSession, asked: Asked) -> list[Line]:
    """Holders who met a wall to register, and of these those who registered and paid, by 30 days.

    Of those who registered, how long it took, and how much they read on the way.
    """
    longer = replace(asked, period=replace(asked.period, last=asked.period.last + _LONGEST))
    days = await ledger.by_holder(session, asked)
    wall = "register_wall_at"
    registered = await _after_the_first(session, asked, days, wall, _registrations())
    paid = await _after_the_first(session, asked, days, wall, _payments())
    reads = await _reads(session, longer.among(()), _registrations())

    def mean(split: str, of: Callable[[int | None, str], Fraction]) -> Callable[[int | None], Cell]:
        def cell(at: int | None) -> Cell:
            theirs = registered.within(split, at, _LONGEST)
            return ratio(sum(of(at, each) for each in theirs), len(theirs), of="registered holder")

        return _once_over(asked, _LONGEST, cell)

    def lines(split: str) -> list[Line]:
        met = registered.met[split]

        def taken(at: int | None, whose: str) -> Fraction:
            return Fraction(registered.waits[split, at][whose] / timedelta(days=1))

        def read(at: int | None, whose: str) -> Fraction:
            since = registered.walls[split, at, whose]
            until = since + registered.waits[split, at][whose]
            first, last = (each.astimezone(asked.home).date() for each in (since, until))
            return Fraction(sum(n for day, n in reads[whose].items() if first <= day <= last))

        return [
            line_of(lambda at: Cell(met[at]), asked.steps, "met", split=split),
            line_of(
                _within(asked, registered, split, _LONGEST), asked.steps, "registered", split=split
            ),
            line_of(_within(asked, paid, split, _LONGEST), asked.steps, "paid", split=split),
            line_of(mean(split, taken), asked.steps, "days", split=split),
            line_of(mean(split, read), asked.steps, "articles", split=split),
        ]

    return [line for split in splits_of(asked, registered.met) for line in lines(split)]


async def _after_the_first(
    session: AsyncSession, asked: Asked, days: Subquery, wall: str, events: Subquery
) -> After:
    """Who met the wall, and how long after the first one of the step the first event of each came."""
    found = After()
    holders = by_step_and_whole(
        asked.step_on(days.c.day), days, func.min, {"wall_at": days.c[wall]}, days.c[wall].is_not(None)
    )  # fmt: skip
    grouping = (holders.c.step, holders.c.split)
    for step, split, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        found.met[split][place_of(step)] = count
    joined = (
        select(*grouping, holders.c.whose, holders.c.wall_at, func.min(events.c.at, type_=UtcDateTime()))
        .join(events, events.c.whose == holders.c.whose)
        .where(events.c.at >= holders.c.wall_at)
        .group_by(*grouping, holders.c.whose, holders.c.wall_at)
    )  # fmt: skip
    for step, split, whose, wall_at, event_at in await session.execute(joined):
        at = place_of(step)
        found.waits[split, at][whose] = event_at - wall_at
        found.walls[split, at, whose] = wall_at
    return found


def _within(
    asked: Asked, after: After, split: str, longest: timedelta
) -> Callable[[int | None], Cell]:
    return _once_over(
        asked,
        longest,
        lambda at: share(len(after.within(split, at, longest)), after.met[split][at], of=_OF),
    )


def _once_over(
    asked: Asked, longest: timedelta, make: Callable[[int | None], Cell]
) -> Callable[[int | None], Cell]:
    """No value before everybody had these days after the last wall."""

    def cell(at: int | None) -> Cell:
        until = asked.until if at is None else asked.period.steps[at].until
        if until + longest > asked.now:
            return none(f"The {longest.days} days after its last wall aren't over.")
        return make(at)

    return cell


async def _reads(
    session: AsyncSession, asked: Asked, events: Subquery
) -> Mapping[str, Mapping[date, int]]:
    """The number of reads by day of each holder to whom one of the events happened."""
    days = await ledger.by_holder(session, asked)
    rows = (
        select(days.c.whose, days.c.day, func.sum(days.c.reads))
        .join(events, events.c.whose == days.c.whose)
        .where(days.c.reads > 0, events.c.at >= asked.since, events.c.at < asked.until)
        .group_by(days.c.whose, days.c.day)
    )
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for whose, day, count in await session.execute(rows):
        found[whose][day] = int(count)
    return found


def _payments() -> Subquery:
    """The first payment of each reader: when a subscription first brought something, or a pass."""
    brought = (
        select(Subscription.reader_id, MovementRow.at)
        .join(Subscription, Subscription.id == MovementRow.subscription_id)
        .where(MovementRow.to_plan.is_not(None))
    )
    payments = union_all(brought, select(Pass.reader_id, Pass.paid_at)).subquery("payments")
    return (
        select(
            (literal(READER) + payments.c.reader_id).label("whose"),
            func.min(payments.c.at, type_=UtcDateTime()).label("at"),
        )
        .group_by(payments.c.reader_id)
        .subquery("first_payments")
    )


def _registrations() -> Subquery:
    """When each reader verified an address."""
    return (
        select((literal(READER) + Reader.id).label("whose"), Reader.email_verified_at.label("at"))
        .where(Reader.email_verified_at.is_not(None))
        .subquery("registrations")
    )


def _checkouts() -> Subquery:
    """When checkouts began."""
    buyer = func.coalesce(
        literal(READER) + Checkout.reader_id, literal(DEVICE) + Checkout.device_id
    )
    rows = select(buyer.label("holder"), Checkout.created_at.label("at")).subquery("clicks")
    return ledger.with_whose(rows).subquery("checkouts")
