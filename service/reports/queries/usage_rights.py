"""Usage rights that were paid for, as audit bureaux count them: how many there were on an average day."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, or_, select, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import MovementRow, Offer, Pass
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, none
from service.reports.movement_sums import DAYS_A_YEAR, PRICE_CLASSES, TIMES_A_YEAR
from service.reports.period import Step
from service.reports.queries import movements
from service.reports.queries.holders import splits_of
from service.reports.tallies import BEFORE

SINGLE = "single"
_DAY = timedelta(days=1)


@dataclass
class Rights:
    """Those of one kind: how many there were before the period, and every change in it."""

    opening: int = 0
    changes: Counter[int] = field(default_factory=Counter)
    """By the number of the period's day."""

    def until(self, days: int) -> list[int]:
        """The sums of how many there were at the ends of the first days: of none, of one, and so on."""
        there = accumulate((self.changes[day] for day in range(days)), initial=self.opening)
        return list(accumulate(list(there)[1:], initial=0))


Found = defaultdict[tuple[str, str], Rights]
"""By split and kind."""


async def usage_rights(session: AsyncSession, asked: Asked) -> list[Line]:
    """The average number at the end of each day, of subscriptions by price class and of passes."""
    found: Found = defaultdict(Rights)
    await _subscriptions(session, asked, found)
    await _passes(session, asked, found)
    return await asyncio.to_thread(_lines, asked, found)


def _lines(asked: Asked, found: Found) -> list[Line]:
    days = [_days_over(asked, step) for step in (*asked.period.steps, asked.period.whole)]
    sums = {key: of.until(days[-1].stop) for key, of in found.items()}
    none_at_all = [0] * (days[-1].stop + 1)

    def average(split: str, *kinds: str) -> Callable[[int | None], Cell]:
        def cell(at: int | None) -> Cell:
            over = days[-1 if at is None else at]
            if not over:
                return none("None of its days is over.")
            counted = [sums.get((split, kind), none_at_all) for kind in kinds]
            total = sum(each[over.stop] - each[over.start] for each in counted)
            return Cell(Fraction(total, len(over)), "", total, len(over))

        return cell

    series = {"all": (*PRICE_CLASSES, SINGLE), "subscriptions": PRICE_CLASSES, SINGLE: (SINGLE,)}
    series |= {each: (each,) for each in PRICE_CLASSES}
    return [
        line_of(average(split, *kinds), asked.steps, name, split=split)
        for split in splits_of(asked, {split for split, _ in found})
        for name, kinds in series.items()
    ]


def _days_over(asked: Asked, step: Step) -> range:
    """The numbers of the step's days that are over, counted from the period's first."""
    first = (step.first - asked.period.first).days
    today = asked.now.astimezone(asked.period.zone).date()
    after = (min(step.last + _DAY, today) - asked.period.first).days
    return range(first, max(first, after))


def _by_day(asked: Asked) -> Asked:
    """The same, but each of the period's days a step."""
    return replace(asked, period=replace(asked.period, interval="day"))


async def _subscriptions(session: AsyncSession, asked: Asked, found: Found) -> None:
    """Each movement takes what the subscription was, and adds what it is."""
    changes = await movements.rights(session, asked)
    if changes is None:
        await _from_rows(session, asked, found)
        return
    for split, kind, day, change in changes:
        number = (day - asked.period.first).days
        _add(found[split, kind], number if number >= 0 else BEFORE, change)


async def _from_rows(session: AsyncSession, asked: Asked, found: Found) -> None:
    row = MovementRow
    sides = union_all(
        *(
            select(
                row.at, row.currency, literal(sign).label("sign"), plan.label("plan"),
                _class_of(listed, net, interval, count).label("kind"),
            ).where(plan.is_not(None))
            for sign, plan, listed, net, interval, count in (
                (-1, row.from_plan, row.from_listed, row.from_net, row.from_interval, row.from_interval_count),
                (1, row.to_plan, row.to_listed, row.to_net, row.to_interval, row.to_interval_count),
            )
        )
    ).subquery("sides")  # fmt: skip
    dimensions: Dimensions = {"plan": sides.c.plan, "currency": sides.c.currency}
    day = _by_day(asked).step_at(sides.c.at)
    rows = (
        select(asked.split_of(dimensions).label("split"), sides.c.kind, day.label("day"), sides.c.sign)
        .where(
            sides.c.at < asked.until, sides.c.kind.is_not(None), *asked.filters(dimensions),
        )
        .subquery("rights")
    )  # fmt: skip
    grouping = (rows.c.split, rows.c.kind, rows.c.day)
    for split, kind, on, change in await session.execute(
        select(*grouping, func.sum(rows.c.sign)).group_by(*grouping)
    ):
        _add(found[split, kind], on, int(change))


def _add(rights: Rights, day: int, change: int) -> None:
    if day == BEFORE:
        rights.opening += change
    else:
        rights.changes[day] += change


def _class_of(listed: Any, net: Any, interval: Any, count: Any) -> ColumnElement[str | None]:
    """The price class; None: it brings less than a minor unit a day."""
    times = case(
        *((interval == name, number) for name, number in TIMES_A_YEAR.items()), else_=literal(0)
    )
    classes = ((net >= listed, 0), (net * 2 >= listed, 1), (net * 4 >= listed, 2))
    return case(
        (net * times < DAYS_A_YEAR * count, None),
        *((condition, literal(PRICE_CLASSES[place])) for condition, place in classes),
        else_=literal(PRICE_CLASSES[-1]),
    )


async def _passes(session: AsyncSession, asked: Asked, found: Found) -> None:
    dimensions: Dimensions = {"plan": Offer.plan.expression, "currency": Pass.currency.expression}
    over = or_(Pass.access_stop == "", Pass.access_stopped_at.is_(None))
    ends_at = case((over, Pass.ends_at), else_=Pass.access_stopped_at)
    bought = await session.execute(
        select(
            asked.split_of(dimensions), Pass.amount, Pass.starts_at, Pass.ends_at,
            type_coerce(ends_at, UtcDateTime()),
        )
        .join(Offer, Offer.id == Pass.offer_id)
        .where(
            Offer.kind != "gift", Pass.starts_at < asked.until, ends_at >= asked.since,
            *asked.filters(dimensions),
        )
    )  # fmt: skip
    await asyncio.to_thread(_add_passes, asked, bought.all(), found)


def _add_passes(asked: Asked, passes: Iterable[Any], found: Found) -> None:
    for split, amount, starts_at, paid_until, ends_at in passes:
        if amount * _DAY < paid_until - starts_at:
            continue
        _add(found[split, SINGLE], _day_of(asked, starts_at), 1)
        # What ends with the period or later is there at the end of each of its days.
        if ends_at < asked.until:
            _add(found[split, SINGLE], _day_of(asked, ends_at), -1)


def _day_of(asked: Asked, at: datetime) -> int:
    """The number of the period's day, or BEFORE."""
    if at < asked.since:
        return BEFORE
    return (at.astimezone(asked.period.zone).date() - asked.period.first).days
