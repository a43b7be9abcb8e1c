"""Distinct holders by step and for the whole period, which isn't the sum of its steps."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Subquery, literal, select, union_all

from service.reports.asked import Asked
from service.reports.queries.counting import WHOLE, Counts

NO_SECTION = "no section"
BySplit = defaultdict[str, Counts]
"""By the value of the split; empty where nothing is split."""


def counted() -> BySplit:
    """Nothing yet."""
    return defaultdict(lambda: defaultdict(int))


def splits_of(asked: Asked, *found: Iterable[str]) -> list[str]:
    """The values that there are; without a split the empty one, whatever was found."""
    return sorted(set().union(*found)) if asked.split else [""]


def at_hand(events: FromClause) -> CTE:
    """Events by whose they are, as a table of their own to be joined.

    Their `whose` is an expression: by it SQLite finds nothing, and looks through all events for each holder.
    """
    return select(events).cte("at_hand").prefix_with("MATERIALIZED")


def place_of(step: int) -> int | None:
    """None: the whole period."""
    return None if step == WHOLE else step


def by_step_and_whole(
    step: ColumnElement[int],
    rows: Subquery,
    together: Callable[..., Any],
    measures: Mapping[str, ColumnElement[Any]],
    *conditions: ColumnElement[bool],
) -> Subquery:
    """Each holder's measures, put `together` for each step, and these once more for the period.

    `rows` have `whose` and `split`.
    """
    named = {name: each.label(name) for name, each in measures.items()}
    sorted_rows = (
        select(step.label("step"), rows.c.whose, rows.c.split, *named.values())
        .where(*conditions)
        .subquery("rows")
    )
    found = sorted_rows.c
    whose = (found.whose, found.split)
    by_step = (
        select(found.step, *whose, *(together(found[name]).label(name) for name in named))
        .group_by(found.step, *whose)
        .cte("by_step")
    )
    again = (by_step.c.whose, by_step.c.split)
    whole = select(
        literal(WHOLE), *again, *(together(by_step.c[name]).label(name) for name in named)
    ).group_by(*again)
    return union_all(select(by_step), whole).subquery("holders")
