"""Counting rows by the step of an instant."""

from collections import defaultdict
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.reports.asked import Asked

WHOLE = -2
"""The step that stands for the whole period, where distinct things are counted once more over all of it."""
Counts = defaultdict[int | None, int]
"""By the number of a step, and by None for the period."""


async def count_by_step(
    session: AsyncSession,
    asked: Asked,
    at: InstrumentedAttribute[Any],
    by: tuple[Any, ...],
    *conditions: ColumnElement[bool],
) -> defaultdict[tuple[Any, ...], Counts]:
    """The number of rows in each step, and in all of them, by the values of these columns."""
    columns = [each.label(f"by_{number}") for number, each in enumerate(by)]
    rows = (
        select(asked.step_at(at.expression).label("step"), *columns)
        .where(at >= asked.since, at < asked.until, *conditions)
        .subquery("counted_rows")
    )
    grouping = list(rows.c)
    found: defaultdict[tuple[Any, ...], Counts] = defaultdict(lambda: defaultdict(int))
    for step, *values, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        for place in (step, None):
            found[tuple(values)][place] += count
    return found
