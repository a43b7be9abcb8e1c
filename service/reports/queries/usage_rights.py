"""Usage rights that were paid for, as audit bureaux count them: how many there were on an average day."""

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import MovementRow, Offer, Pass
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, none
from service.reports.period import Step, midnight
from service.reports.queries.holders import splits_of

CLASSES = ("full", "half", "quarter", "less")
"""By what is charged of the listed price: all of it, at least a half, at least a quarter, less."""
SINGLE = "single"
_DAY = timedelta(days=1)
_TIMES_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}


@dataclass
class Rights:
    """Those of one kind: how many there were before the period, and every change in it."""

    opening: int = 0
    changes: Counter[datetime] = field(default_factory=Counter)

    def at_ends(self, ends: list[datetime]) -> list[int]:
        """How many there are at each of these instants, the earliest first."""
        added = [0] * (len(ends) + 1)
        for at, change in self.changes.items():
            # What begins at midnight is of the day that begins.
            added[bisect_right(ends, at)] += change
        return [self.opening + each for each in accumulate(added[:-1])]


Found = defaultdict[tuple[str, str], Rights]
"""By split and kind."""


async def usage_rights(session: AsyncSession, asked: Asked) -> list[Line]:
    """The average number at the end of each day, of subscriptions by price class and of passes."""
    found: Found = defaultdict(Rights)
    await _subscriptions(session, asked, found)
    await _passes(session, asked, found)
    return await asyncio.to_thread(_lines, asked, found)


def _lines(asked: Asked, found: Found) -> list[Line]:
    days = [_ends_of(asked, step) for step in (*asked.period.steps, asked.period.whole)]
    ends = days[-1]
    counts = {key: dict(zip(ends, of.at_ends(ends), strict=True)) for key, of in found.items()}

    def average(split: str, *kinds: str) -> Callable[[int | None], Cell]:
        def cell(at: int | None) -> Cell:
            over = days[-1 if at is None else at]
            if not over:
                return none("None of its days is over.")
            total = sum(
                counts.get((split, kind), {}).get(each, 0) for kind in kinds for each in over
            )
            return Cell(Fraction(total, len(over)), "", total, len(over))

        return cell

    series = {"all": (*CLASSES, SINGLE), "subscriptions": CLASSES, SINGLE: (SINGLE,)}
    series |= {each: (each,) for each in CLASSES}
    return [
        line_of(average(split, *kinds), asked.steps, name, split=split)
        for split in splits_of(asked, {split for split, _ in found})
        for name, kinds in series.items()
    ]


def _ends_of(asked: Asked, step: Step) -> list[datetime]:
    """The ends of the step's days that are over."""
    count = (step.last - step.first).days + 1
    ends = [
        midnight(step.first + number * _DAY, asked.period.zone) for number in range(1, count + 1)
    ]
    return [each for each in ends if each <= asked.now]


async def _subscriptions(session: AsyncSession, asked: Asked, found: Found) -> None:
    """Each movement takes what the subscription was, and adds what it is."""
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
    before = (sides.c.at < asked.since).label("before")
    at = case((before, None), else_=sides.c.at)
    rows = (
        select(asked.split_of(dimensions).label("split"), sides.c.kind, at.label("at"), sides.c.sign)
        .where(
            sides.c.at < asked.until, sides.c.kind.is_not(None), *asked.filters(dimensions),
        )
        .subquery("rights")
    )  # fmt: skip
    grouping = (rows.c.split, rows.c.kind, rows.c.at)
    for split, kind, changed_at, change in await session.execute(
        select(*grouping, func.sum(rows.c.sign)).group_by(*grouping)
    ):
        if changed_at is None:
            found[split, kind].opening += int(change)
        else:
            found[split, kind].changes[changed_at] += int(change)


def _class_of(listed: Any, net: Any, interval: Any, count: Any) -> ColumnElement[str | None]:
    """The price class; None: it brings less than a minor unit a day."""
    times = case(
        *((interval == name, number) for name, number in _TIMES_A_YEAR.items()), else_=literal(0)
    )
    classes = ((net >= listed, 0), (net * 2 >= listed, 1), (net * 4 >= listed, 2))
    return case(
        (net * times < 365 * count, None),
        *((condition, literal(CLASSES[place])) for condition, place in classes),
        else_=literal(CLASSES[-1]),
    )


async def _passes(session: AsyncSession, asked: Asked, found: Found) -> None:
    dimensions: Dimensions = {"plan": Offer.plan.expression, "currency": Pass.currency.expression}
    over = or_(Pass.access_stop == "", Pass.access_stopped_at.is_(None))
    ends_at = case((over, Pass.ends_at), else_=Pass.access_stopped_at).label("ends_at")
    rows = (
        select(
            asked.split_of(dimensions).label("split"), Pass.amount, Pass.starts_at,
            Pass.ends_at.label("paid_until"), ends_at,
        )
        .join(Offer, Offer.id == Pass.offer_id)
        .where(and_(Pass.starts_at < asked.until, ends_at >= asked.since), *asked.filters(dimensions))
    )  # fmt: skip
    for split, amount, starts_at, paid_until, until in await session.execute(rows):
        if amount * _DAY < paid_until - starts_at:
            continue
        rights = found[split, SINGLE]
        rights.changes[max(starts_at, asked.since)] += 1
        rights.changes[until] -= 1
