"""Figures that look some days ahead: a step waits for them; the whole is of those who have had them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from service.reports.asked import Asked
from service.reports.cells import Cell, none

Met = Literal["wall", "prompt"]
Place = int | date
"""A step by its number, or the period from its first day up to a day."""


def had_since(asked: Asked, longest: timedelta) -> date:
    """The last day of the period that is so long over."""
    last = (asked.now - longest).astimezone(asked.home).date() - timedelta(days=1)
    return min(asked.period.last, last)


def once_over(
    asked: Asked, longest: timedelta, make: Callable[[Place], Cell], what: Met = "wall"
) -> Callable[[int | None], Cell]:
    """The cells that `make` gives of holders by the first of these that they met."""
    last = had_since(asked, longest)
    days = f"{longest.days} {'day' if longest.days == 1 else 'days'}"

    def cell(at: int | None) -> Cell:
        if at is not None:
            waits = asked.period.steps[at].last > last
            return none(f"Its last {what} was less than {days} ago.") if waits else make(at)
        if last < asked.period.first:
            return none(f"All its {what}s were less than {days} ago.")
        if last == asked.period.last:
            return make(last)
        among = f"Of those who met a {what} up to {last.day} {last:%B %Y}."
        return replace(make(last), among=among)

    return cell
