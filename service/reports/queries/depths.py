"""How many articles of the meter holders used in each day, week or month."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import Subquery, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, StepDepth
from service.reports.asked import Asked, Dimensions
from service.reports.period import Interval, Step, step_of
from service.reports.queries.kept_rows import of_sample, on_days
from service.reports.queries.ledger import by_holder, with_whose
from service.reports.queries.touched import with_split

METER, PUBLICATION = "meter", "the publication’s"
"""A meter that counts by itself has a name; the publication’s has none."""
DEPTH_INTERVALS: tuple[Interval, ...] = ("day", "week", "month")


async def depths(
    session: AsyncSession, asked: Asked, digits: int = 0
) -> Counter[tuple[int, str, int]]:
    """The number of holders by step, split and what they used, of the days that are over.

    With `digits` those of a sample (kept_rows.py).
    """
    stored = {} if asked.split or asked.chosen else await _stored(session, asked)
    found: Counter[tuple[int, str, int]] = Counter()
    missing = []
    for number, step in enumerate(asked.period.steps):
        last = last_day(asked, step)
        if (step.first, last) in stored:
            for used, holders in stored[step.first, last]:
                found[number, "", used] += holders
        elif last >= step.first:
            missing.append(number)
    if missing:
        found.update(await _counted(session, asked, missing, digits))
    return found


def last_day(asked: Asked, step: Step) -> date:
    """The step's last day that is over."""
    return min(step.last, asked.today - timedelta(days=1))


async def depths_between(
    session: AsyncSession, asked: Asked, first: date, last: date
) -> Counter[int]:
    """The number of holders by what they used from the first to the last day."""
    period = replace(asked.period, first=first, last=last, interval="year")
    days = await by_holder(session, replace(asked, period=period))
    used = select(func.sum(days.c.counted).label("used")).group_by(days.c.whose).subquery("used")
    counted = await session.execute(select(used.c.used, func.count()).group_by(used.c.used))
    return Counter({int(each): count for each, count in counted})


async def _stored(
    session: AsyncSession, asked: Asked
) -> dict[tuple[date, date], list[tuple[int, int]]]:
    """By first and last day. A step that the period cuts short at its beginning isn't among them."""
    first = asked.period.first
    rows = await session.execute(
        select(StepDepth.first, StepDepth.last, StepDepth.used, StepDepth.holders).where(
            StepDepth.interval == asked.period.interval,
            StepDepth.first >= step_of(first, asked.period.interval),
            StepDepth.first <= asked.period.last,
        )
    )
    found: dict[tuple[date, date], list[tuple[int, int]]] = {}
    for begins, ends, used, holders in rows:
        found.setdefault((begins, ends), []).append((used, holders))
    return found


async def _counted(
    session: AsyncSession, asked: Asked, steps: list[int], digits: int
) -> Counter[tuple[int, str, int]]:
    places = [asked.period.steps[number] for number in steps]
    last = last_day(asked, places[-1])
    period = replace(asked.period, first=places[0].first, last=last)
    within = replace(asked, period=period)
    if asks_for_meter(asked):
        days = _by_meter(within, digits)
    else:
        days = await by_holder(session, within, digits)
    step = asked.step_on(days.c.day).label("step")
    rows = select(step, days.c.split, days.c.whose, days.c.counted).subquery("rows")
    used = (
        select(rows.c.step, rows.c.split, func.sum(rows.c.counted).label("used"))
        .where(rows.c.step.in_(steps))
        .group_by(rows.c.step, rows.c.split, rows.c.whose)
        .subquery("used")
    )
    grouping = (used.c.step, used.c.split, used.c.used)
    counted = await session.execute(select(*grouping, func.count()).group_by(*grouping))
    return Counter({(at, split, int(each)): count for at, split, each, count in counted})


def asks_for_meter(asked: Asked) -> bool:
    """Whether holders are told apart by the meter that counted, which the ledger's rows alone know."""
    return asked.split == METER or METER in asked.chosen


def _by_meter(asked: Asked, digits: int) -> Subquery:
    """What each meter counted for a holder on a day."""
    entry, by_meter = AccessEntry, asked.among((METER,))
    dimensions: Dimensions = {METER: func.coalesce(entry.meter_name, literal(PUBLICATION))}
    rows = (
        select(entry.day, entry.holder, by_meter.split_of(dimensions).label("split"))
        .where(
            on_days(asked.period.first, asked.period.last), entry.consumed,
            *by_meter.filters(dimensions),
        )
    )  # fmt: skip
    counted = union_all(*of_sample(rows, entry.holder.expression, digits)).subquery("counted")
    grouping = (counted.c.day, counted.c.holder, counted.c.split)
    days = select(*grouping, func.count().label("counted")).group_by(*grouping).subquery("days")
    whose = with_whose(days, digits).subquery("whose_days")
    return with_split(whose, asked, digits).subquery("split_days")
