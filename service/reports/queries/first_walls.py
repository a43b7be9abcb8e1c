"""What holders did after their first wall: registered, began to buy, paid."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import AccessEntry, Checkout, MovementRow, Pass, Reader, Subscription
from service.metering.store import READER
from service.offers.store import gift_offers
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, ratio, share
from service.reports.queries import kept_rows, ledger
from service.reports.queries.asks import asks, known_asks
from service.reports.queries.clicks import by_buyer
from service.reports.queries.counting import WHOLE
from service.reports.queries.distinct import Distinct, distinct
from service.reports.queries.holders import at_hand, by_step_and_whole, splits_of
from service.reports.queries.met_walls import is_of_single_walls, is_wall, met
from service.reports.queries.waited import Place, had_since, once_over
from service.reports.returns import (
    ASKED,
    DAYS_TO_PAY,
    LEFT_AT_CHECKOUT,
    MINUTES,
    PAID_AFTER_REGISTER,
    READS,
    REGISTER,
    REGISTERED,
    SUBSCRIBE,
    paid_within,
)

_LONGEST = timedelta(days=DAYS_TO_PAY[-1])
SHARES = (*(f"within_{each}" for each in DAYS_TO_PAY), "left_at_checkout", "left_at_wall")
_OF = "holders who met a wall"
Waits = dict[str, timedelta]
"""By holder: how long after the first wall."""


@dataclass(frozen=True)
class After:
    """How many holders met the wall, by split and step; of those to whom something happened later, when.

    The period is known as a whole, and up to the last days that are as long over as a figure looks ahead.
    """

    met: defaultdict[tuple[str, Place | None], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    waits: defaultdict[tuple[str, Place], Waits] = field(default_factory=lambda: defaultdict(dict))
    walls: dict[tuple[str, Place, str], datetime] = field(default_factory=dict)
    """When these holders met it, by split, step and holder."""

    @property
    def splits(self) -> set[str]:
        return {split for split, _ in self.met}

    def within(self, split: str, at: Place, longest: timedelta) -> set[str]:
        """The holders to whom it happened so soon."""
        return {whose for whose, wait in self.waits[split, at].items() if wait <= longest}


async def paid_after_a_wall(
    session: AsyncSession,
    asked: Asked,
    most: int = kept_rows.MOST_ROWS,
    most_in_days: int = kept_rows.MOST_IN_DAYS,
) -> list[Line]:
    """Holders whose first payment came within days of their first wall ÷ holders who met one.

    Those who didn't pay left at the wall, or in a checkout that they began after it. By what single walls are
    known, of more than `most` rows a sample of the holders is looked at, by source of more than `most_in_days`.
    """
    if not asked.split and not asked.chosen:
        return await _paid_by_returns(session, asked)
    first, last = asked.period.first, min(asked.period.last, asked.today)
    if not is_of_single_walls(asked):
        digits = await kept_rows.sample_of_days(session, first, last, most_in_days)
        days = await ledger.by_holder(session, asked, digits)
        return await _paid_after(session, asked, days, "subscribe_wall_at", digits)
    gone = await kept_rows.gone_before(session, first, last)
    if gone is not None:
        return [line_of(lambda _: kept_rows.deleted(gone), asked.steps, each) for each in SHARES]
    digits = await kept_rows.sample(session, first, last, most)
    # Told apart by kind, walls to register are among them, too.
    kinds = [] if "wall" in {asked.split, *asked.chosen} else [AccessEntry.wall == SUBSCRIBE]
    return await _paid_after(session, asked, met(asked, digits, is_wall(), *kinds), "at", digits)


async def _paid_after(
    session: AsyncSession, asked: Asked, walls: Subquery, at: str, digits: int
) -> list[Line]:
    """`at` is the column with the time of a wall. With `digits` the walls are those of a sample."""
    events = {"paid": _payments(digits), "begun": _checkouts(digits)}
    found = await _after_the_first(session, asked, walls, at, events)
    paid, begun = found["paid"], found["begun"]

    def lines(split: str) -> list[Line]:

        def in_checkout(at: Place) -> int:
            payers = paid.within(split, at, _LONGEST)
            return len(begun.within(split, at, _LONGEST) - payers)

        def at_wall(at: Place) -> int:
            return paid.met[split, at] - len(paid.within(split, at, _LONGEST)) - in_checkout(at)

        def part(of: Callable[[Place], int]) -> Callable[[int | None], Cell]:
            return once_over(asked, _LONGEST, lambda at: share(of(at), paid.met[split, at], of=_OF))

        shares = {
            f"within_{each}": _within(asked, paid, split, timedelta(days=each))
            for each in DAYS_TO_PAY
        }
        shares |= {"left_at_checkout": part(in_checkout), "left_at_wall": part(at_wall)}
        return [line_of(make, asked.steps, name, split=split) for name, make in shares.items()]

    made = [line for split in splits_of(asked, paid.splits) for line in lines(split)]
    return [*made, *kept_rows.sample_line(asked, digits)]


async def registration_funnel(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_IN_DAYS
) -> list[Line]:
    """Holders who met a wall to register, and of these those who asked for a sign-in mail, registered and
    paid, by 30 days.

    Of those who registered, how long it took, and how much they read on the way. By source of more than `most` rows
    a sample of the holders is looked at, and the number of those who met a wall is multiplied.
    """
    if not asked.split and not asked.chosen:
        return await _registered_by_returns(session, asked)
    last = min(asked.period.last, asked.today)
    digits = await kept_rows.sample_of_days(session, asked.period.first, last, most)
    longer = replace(asked, period=replace(asked.period, last=asked.period.last + _LONGEST))
    days = await ledger.by_holder(session, asked, digits)
    known = await known_asks(session, asked)
    events = {
        "asked": asks(digits), "registered": _registrations(digits), "paid": _payments(digits),
    }  # fmt: skip
    after = await _after_the_first(session, asked, days, "register_wall_at", events)
    has_asked, registered, paid = (after[name] for name in events)
    reads = await _reads(session, longer.among(()), _registrations(digits), digits)
    enlarged = kept_rows.rate(digits).denominator

    def mean(split: str, of: Callable[[Place, str], Fraction]) -> Callable[[int | None], Cell]:
        def cell(at: Place) -> Cell:
            theirs = registered.within(split, at, _LONGEST)
            return ratio(sum(of(at, each) for each in theirs), len(theirs), of="registered holder")

        return once_over(asked, _LONGEST, cell)

    def lines(split: str) -> list[Line]:
        def taken(at: Place, whose: str) -> Fraction:
            return Fraction(registered.waits[split, at][whose] / timedelta(days=1))

        def read(at: Place, whose: str) -> Fraction:
            since = registered.walls[split, at, whose]
            until = since + registered.waits[split, at][whose]
            first, last = (each.astimezone(asked.home).date() for each in (since, until))
            return Fraction(sum(n for day, n in reads[whose].items() if first <= day <= last))

        def met(at: Place | None) -> Cell:
            return Cell(registered.met[split, at] * enlarged)

        return [
            line_of(met, asked.steps, "met", split=split),
            line_of(
                known(_within(asked, has_asked, split, _LONGEST)), asked.steps, "asked", split=split
            ),
            line_of(
                _within(asked, registered, split, _LONGEST), asked.steps, "registered", split=split
            ),
            line_of(_within(asked, paid, split, _LONGEST), asked.steps, "paid", split=split),
            line_of(mean(split, taken), asked.steps, "days", split=split),
            line_of(mean(split, read), asked.steps, "articles", split=split),
        ]

    found = [line for split in splits_of(asked, registered.splits) for line in lines(split)]
    return [*found, *kept_rows.sample_line(asked, digits)]


async def _paid_by_returns(session: AsyncSession, asked: Asked) -> list[Line]:
    measures = [paid_within(each) for each in DAYS_TO_PAY]
    found = await distinct(session, asked, SUBSCRIBE, LEFT_AT_CHECKOUT, *measures)
    met, in_checkout = _number(found, SUBSCRIBE), _number(found, LEFT_AT_CHECKOUT)
    paid = _number(found, paid_within(DAYS_TO_PAY[-1]))

    def part(of: Callable[[Place], int], longest: timedelta) -> Callable[[int | None], Cell]:
        cell = once_over(asked, longest, lambda at: share(of(at), met(at), of=_OF))
        return found.known(cell)

    shares = {
        f"within_{each}": part(_number(found, paid_within(each)), timedelta(days=each))
        for each in DAYS_TO_PAY
    }
    shares["left_at_checkout"] = part(in_checkout, _LONGEST)
    shares["left_at_wall"] = part(lambda at: met(at) - paid(at) - in_checkout(at), _LONGEST)
    return [line_of(make, asked.steps, name) for name, make in shares.items()]


async def _registered_by_returns(session: AsyncSession, asked: Asked) -> list[Line]:
    measures = (REGISTER, ASKED, REGISTERED, PAID_AFTER_REGISTER, MINUTES, READS)
    found = await distinct(session, asked, *measures)
    met, registered = _number(found, REGISTER), _number(found, REGISTERED)
    minutes, reads = _number(found, MINUTES), _number(found, READS)

    def known(make: Callable[[Place], Cell]) -> Callable[[int | None], Cell]:
        return found.known(once_over(asked, _LONGEST, make))

    def part(of: Callable[[Place], int]) -> Callable[[int | None], Cell]:
        return known(lambda at: share(of(at), met(at), of=_OF))

    def mean(of: Callable[[Place], Fraction]) -> Callable[[int | None], Cell]:
        return known(lambda at: ratio(of(at), registered(at), of="registered holder"))

    def days(at: Place) -> Fraction:
        return Fraction(timedelta(minutes=minutes(at)) / timedelta(days=1))

    cells = {
        "met": found.known(lambda at: Cell(found.counts[REGISTER][at])),
        "asked": (await known_asks(session, asked))(part(_number(found, ASKED))),
        "registered": part(registered),
        "paid": part(_number(found, PAID_AFTER_REGISTER)),
        "days": mean(days),
        "articles": mean(lambda at: Fraction(reads(at))),
    }
    return [line_of(make, asked.steps, name) for name, make in cells.items()]


def _number(found: Distinct, measure: str) -> Callable[[Place], int]:
    return lambda at: found.up_to(measure, at)


async def _after_the_first(
    session: AsyncSession, asked: Asked, days: Subquery, wall: str, events: Mapping[str, Subquery]
) -> dict[str, After]:
    """Who met the wall, and how long after the first one of the step the first event of each kind came."""
    met: defaultdict[tuple[str, Place | None], int] = defaultdict(int)
    found = {kind: After(met) for kind in events}
    holders = by_step_and_whole(
        asked.step_on(days.c.day), days, func.min,
        {"wall_at": days.c[wall], "wall_on": days.c.day}, days.c[wall].is_not(None),
    )  # fmt: skip
    grouping = (holders.c.step, holders.c.split)
    lasts = sorted({had_since(asked, timedelta(days=each)) for each in DAYS_TO_PAY})
    before = [(holders.c.wall_on <= last, literal(number)) for number, last in enumerate(lasts)]
    sorted_in = select(*grouping, case(*before, else_=len(lasts)).label("number")).subquery()
    by = (sorted_in.c.step, sorted_in.c.split, sorted_in.c.number)
    for step, split, number, count in await session.execute(
        select(*by, func.count()).group_by(*by)
    ):
        for place in (None, *lasts[number:]) if step == WHOLE else (step,):
            met[split, place] += count
    of_kinds = [
        select(literal(kind).label("kind"), of.c.whose, of.c.at) for kind, of in events.items()
    ]
    happened = at_hand(union_all(*of_kinds).subquery("events"))
    known = (happened.c.kind, *grouping, holders.c.whose, holders.c.wall_at, holders.c.wall_on)
    joined = (
        select(*known, func.min(happened.c.at, type_=UtcDateTime()))
        .join(happened, happened.c.whose == holders.c.whose)
        .where(happened.c.at >= holders.c.wall_at)
        .group_by(*known)
    )
    for kind, step, split, whose, wall_at, wall_on, event_at in await session.execute(joined):
        after = found[kind]
        for place in (last for last in lasts if wall_on <= last) if step == WHOLE else (step,):
            after.waits[split, place][whose] = event_at - wall_at
            after.walls[split, place, whose] = wall_at
    return found


def _within(
    asked: Asked, after: After, split: str, longest: timedelta
) -> Callable[[int | None], Cell]:
    return once_over(
        asked,
        longest,
        lambda at: share(len(after.within(split, at, longest)), after.met[split, at], of=_OF),
    )


async def _reads(
    session: AsyncSession, asked: Asked, events: Subquery, digits: int
) -> Mapping[str, Mapping[date, int]]:
    """The number of reads by day of each holder to whom one of the events happened."""
    days = await ledger.by_holder(session, asked, digits)
    happened = at_hand(events)
    rows = (
        select(days.c.whose, days.c.day, func.sum(days.c.reads))
        .join(happened, happened.c.whose == days.c.whose)
        .where(days.c.reads > 0, happened.c.at >= asked.since, happened.c.at < asked.until)
        .group_by(days.c.whose, days.c.day)
    )
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for whose, day, count in await session.execute(rows):
        found[whose][day] = int(count)
    return found


def _payments(digits: int) -> Subquery:
    """The first payment of each reader: when a subscription first brought something, or a pass, no gift."""
    row = Subscription
    brought = (
        select(row.reader_id, MovementRow.at)
        .join(row, row.id == MovementRow.subscription_id)
        .where(MovementRow.to_plan.is_not(None), *_of(row.reader_id.expression, digits))
    )
    passes = select(Pass.reader_id, Pass.paid_at).where(
        Pass.offer_id.not_in(gift_offers()), *_of(Pass.reader_id.expression, digits)
    )
    payments = union_all(brought, passes).subquery("payments")
    return (
        select(
            (literal(READER) + payments.c.reader_id).label("whose"),
            func.min(payments.c.at, type_=UtcDateTime()).label("at"),
        )
        .group_by(payments.c.reader_id)
        .subquery("first_payments")
    )


def _of(reader: ColumnElement[Any], digits: int) -> list[ColumnElement[bool]]:
    """The readers of a sample."""
    return [kept_rows.is_sampled_reader(reader, digits)] if digits else []


def _registrations(digits: int) -> Subquery:
    """When each reader verified an address."""
    return (
        select((literal(READER) + Reader.id).label("whose"), Reader.email_verified_at.label("at"))
        .where(Reader.email_verified_at.is_not(None), *_of(Reader.id.expression, digits))
        .subquery("registrations")
    )


def _checkouts(digits: int) -> Subquery:
    """When checkouts began, gifts for others left out."""
    return by_buyer(Checkout.created_at.label("at"), digits=digits).subquery("checkouts")
