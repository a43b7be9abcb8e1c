"""The movements of MRR by step, from what is added up by day, and the difference to all rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import accumulate
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    CohortMonth,
    EdgeDay,
    MoneyDay,
    RightDay,
    SourceCohortMonth,
    SourceEdgeDay,
    SourceMoneyDay,
)
from service.reports.asked import Asked, Dimensions
from service.reports.led import SOURCES
from service.reports.movement_sums import Edge, Money, Overlap, Right, Sums
from service.reports.queries.movement_rows import Amount, Ended, Joined
from service.reports.source_sums import (
    ALIKE,
    NAMES,
    SourceEdge,
    SourceMoney,
    SourceOverlap,
    SourceSums,
)
from service.reports.tallies import INVOLUNTARY, VOLUNTARY

Change = tuple[str, str, date, int]
"""Split, price class, day and number."""
_WAYS = (VOLUNTARY, INVOLUNTARY)


async def money(
    session: AsyncSession, asked: Asked, live: Sums | SourceSums, *, after_discounts: bool
) -> list[Amount]:
    """What was gained and lost."""
    row = SourceMoneyDay if sources_of(asked) else MoneyDay
    dimensions = _dimensions(row)
    amount = row.net if after_discounts else row.recurring
    columns = (
        asked.step_on(row.day.expression), asked.split_of(dimensions), row.currency, row.kind,
        row.interval, row.every,
    )  # fmt: skip
    found = await _summed(
        session, columns, amount, row.day <= asked.period.last, *asked.filters(dimensions)
    )
    for key, number in (live.net if after_discounts else live.recurring).items():
        if key.day <= asked.period.last and _chosen(asked, key):
            place = (asked.step_of(key.day), _value(asked.split, key), key.currency, key.kind)
            found[*place, key.interval, key.every] += number
    return [(*key, number) for key, number in found.items()]


async def rights(session: AsyncSession, asked: Asked, live: Sums) -> list[Change]:
    """Subscriptions that began and ceased to be sold at a price class."""
    row = RightDay
    dimensions: Dimensions = {"plan": row.plan.expression, "currency": row.currency.expression}
    columns = (asked.split_of(dimensions), row.price, row.day)
    found = await _summed(
        session, columns, row.change, row.day <= asked.period.last, *asked.filters(dimensions)
    )
    for key, number in live.rights.items():
        if key.day <= asked.period.last and _chosen(asked, key):
            found[_value(asked.split, key), key.price, key.day] += number
    return [(*key, number) for key, number in found.items()]


async def readers(
    session: AsyncSession, asked: Asked, live: Sums | SourceSums, *, by_currency: bool
) -> list[Joined]:
    """Who joined and left."""
    row = SourceEdgeDay if sources_of(asked) else EdgeDay
    grains = _grains(asked, "currency" if by_currency else "")
    dimensions = _dimensions(row)
    columns = (
        asked.step_on(row.day.expression), asked.split_of(dimensions),
        row.currency if by_currency else literal(""), row.way,
    )  # fmt: skip
    found = await _summed(
        session, columns, row.readers, row.grain.in_(grains), row.day <= asked.period.last,
        *asked.filters(dimensions),
    )  # fmt: skip
    for key, number in _edges(asked, live, grains):
        currency = key.currency if by_currency else ""
        place = (asked.step_of(key.day), _value(asked.split, key), currency, key.way)
        found[place] += number
    return [(*key, number) for key, number in found.items()]


async def ends(session: AsyncSession, asked: Asked, live: Sums | SourceSums) -> list[Ended]:
    """Who left in the period, why and after how long."""
    row, grains = SourceEdgeDay if sources_of(asked) else EdgeDay, _grains(asked, "")
    dimensions = _dimensions(row)
    columns = (
        asked.step_on(row.day.expression), asked.split_of(dimensions), row.cause, row.tenure,
    )  # fmt: skip
    found = await _summed(
        session, columns, row.readers, row.grain.in_(grains), row.way.in_(_WAYS),
        row.day >= asked.period.first, row.day <= asked.period.last, *asked.filters(dimensions),
    )  # fmt: skip
    for key, number in _edges(asked, live, grains):
        if key.way in _WAYS and key.day >= asked.period.first:
            place = (asked.step_of(key.day), _value(asked.split, key), key.cause, key.tenure)
            found[place] += number
    return [(*key, number) for key, number in found.items()]


async def cohorts(
    session: AsyncSession, asked: Asked, live: Sums | SourceSums
) -> dict[int, list[int]]:
    """By the step of the first payment: how many readers of it had a paid subscription in each step."""
    first, last = asked.period.first, asked.period.last
    row = SourceCohortMonth if sources_of(asked) else CohortMonth
    changes: Counter[tuple[date, date]] = Counter()
    for cohort, month, change in await session.execute(
        select(row.cohort, row.month, func.sum(row.change))
        .where(row.cohort >= first, row.cohort <= last, *asked.filters(_dimensions(row)))
        .group_by(row.cohort, row.month)
    ):
        changes[cohort, month] += int(change)
    for key, change in live.cohorts.items():
        if first <= key.cohort <= last and _chosen(asked, key):
            changes[key.cohort, key.month] += change
    by_cohort: defaultdict[int, list[int]] = defaultdict(lambda: [0] * asked.steps)
    for (cohort, month), change in changes.items():
        if month <= last:
            by_cohort[asked.step_of(cohort)][asked.step_of(month)] += change
    return {cohort: list(accumulate(steps)) for cohort, steps in by_cohort.items() if steps[cohort]}


def has_whole_months(asked: Asked) -> bool:
    """Whether each step is a month, of which the last may be cut short by today."""
    return all(
        each.is_whole or (each.first.day == 1 and each.until > asked.now)
        for each in asked.period.steps
    )


async def _summed(
    session: AsyncSession, columns: tuple[Any, ...], number: Any, *conditions: Any
) -> Counter[tuple[Any, ...]]:
    rows = (
        select(*(each.label(f"by_{n}") for n, each in enumerate(columns)), number.label("number"))
        .where(*conditions)
        .subquery("rows")
    )
    *grouping, added = rows.c
    found: Counter[tuple[Any, ...]] = Counter()
    for *key, total in await session.execute(
        select(*grouping, func.sum(added)).group_by(*grouping)
    ):
        found[tuple(key)] += int(total)
    return found


def _edges(
    asked: Asked, live: Sums | SourceSums, grains: tuple[str, ...]
) -> Iterable[tuple[Edge | SourceEdge, int]]:
    return (
        (key, number)
        for key, number in live.readers.items()
        if key.grain in grains and key.day <= asked.period.last and _chosen(asked, key)
    )


def sources_of(asked: Asked) -> set[str]:
    """Which of the sources are told apart by its split and filters."""
    return {asked.split, *asked.chosen} & {*SOURCES}


def _dimensions(row: Any) -> Dimensions:
    return {
        "plan": row.plan.expression, "interval_charged": row.interval.expression,
        "currency": row.currency.expression,
        **{name: getattr(row, name).expression for name in SOURCES if hasattr(row, name)},
    }  # fmt: skip


def _grains(asked: Asked, currency: str) -> tuple[str, ...]:
    """What the figure tells apart, by its split and filters."""
    named = {asked.split, currency, *asked.chosen}
    grain = ",".join(each for each in NAMES if each in named)
    return (ALIKE, grain) if sources_of(asked) else (grain,)


Key = Money | Edge | Right | Overlap | SourceMoney | SourceEdge | SourceOverlap


def _value(name: str, key: Key) -> str:
    return str(getattr(key, {"interval_charged": "interval"}.get(name, name))) if name else ""


def _chosen(asked: Asked, key: Key) -> bool:
    return all(_value(name, key) == value for name, value in asked.chosen.items())
