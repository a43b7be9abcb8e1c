"""From a report to the rows that it counts: the address of a list by step and series, with its filters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from service.billing.movements import Kind
from service.html.list_query import address
from service.reports.cancellation_list import FILTERS as OF_CANCELLATIONS
from service.reports.cells import Line
from service.reports.counted_list import listed_filters
from service.reports.figure import Figure
from service.reports.movement_list import FILTERS as OF_MOVEMENTS
from service.reports.period import Step
from service.reports.queries.leaving import FEEDBACK
from service.reports.registry import FIGURES
from service.reports.report_schemas import Report

Fields = Mapping[str, str]
_NOTHING: Fields = {}


@dataclass(frozen=True)
class Rows:
    """A list, and how it is asked for what a series counts. `any_zone`: also by days that aren't the publication's."""

    path: str
    filters: tuple[str, ...]
    series: Mapping[str, Fields]
    any_zone: bool = False


MOVEMENTS, CANCELLATIONS = "/admin/movements", "/admin/cancellations"
_LISTS: Mapping[str, Rows] = {
    "mrr-movements": Rows(
        MOVEMENTS, OF_MOVEMENTS, {kind: {"kind": kind} for kind in get_args(Kind)}
    ),
    "feedback": Rows(
        CANCELLATIONS, OF_CANCELLATIONS, {each: {"feedback": each} for each in FEEDBACK}
    ),
}  # fmt: skip
"""Lists with columns of their own."""


def _list_of(figure: Figure) -> Rows | None:
    if figure.listing is None:
        return _LISTS.get(figure.slug)
    series = {name: {"series": name} for name in figure.listing.series}
    path = f"/admin/reports/{figure.slug}/rows"
    return Rows(path, listed_filters(figure), series, any_zone=True)


_BY_SLUG = {each.slug: _list_of(each) for each in FIGURES}


def list_behind(figure: Figure) -> Rows | None:
    """The list with what the figure counts; None: there is none, `nameless` says why."""
    return _BY_SLUG[figure.slug]


def rows_behind(report: Report, line: Line | None, step: Step) -> str:
    """Where the rows are that a line counts in a step, or for None all lines; empty: there is no such list."""
    figure, asked = report.figure, report.asked
    rows = list_behind(figure)
    is_home = asked.period.zone.key == asked.home.key
    if rows is None or not (is_home or rows.any_zone):
        return ""
    if figure.is_heat_map and (line is None or _is_cut(report, line)):
        return ""
    if figure.is_heat_map and step == asked.period.whole:
        # As the figure says it: its last value.
        step = [each for each in asked.period.steps if each.since <= asked.now][-1]
    chosen, fields = dict(asked.chosen), _NOTHING
    if line is not None:
        fields = rows.series.get(line.series, {})
        # What a split or a currency without a name stands for can't be asked for.
        if not fields or (asked.split and not line.split):
            return ""
        if line.split:
            apart = figure.listing.told_apart.get(line.series, "") if figure.listing else ""
            chosen[asked.split or apart] = line.split
        chosen |= {"currency": line.currency} if line.currency else {}
    if not chosen.keys() <= set(rows.filters) or _is_deleted(report, step):
        return ""
    days = {"from": step.first.isoformat(), "to": step.last.isoformat()}
    zone = {} if is_home else {"zone": asked.period.zone.key}
    return address(rows.path, **days, **fields, **chosen, **zone)


def _is_cut(report: Report, line: Line) -> bool:
    """Whether the line is of a part of a month, after its first day: the list is of whole ones."""
    first = report.asked.period.first
    return first.day > 1 and line.split == f"{first:%Y-%m}"


def _is_deleted(report: Report, step: Step) -> bool:
    """Whether it isn't kept any more what was counted at the end of the step, or of yesterday."""
    last = min(step.last, report.asked.today - timedelta(days=1))
    return report.listed_from is not None and last < report.listed_from


def answers_behind(report: Report) -> str:
    """Where it is read what those who left answered and wrote, as far as that list has the filters."""
    if report.figure.slug not in {"feedback", "reasons"}:
        return ""
    period, chosen = report.asked.period, report.asked.chosen
    days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    kept = {name: value for name, value in chosen.items() if name in OF_CANCELLATIONS}
    return address(CANCELLATIONS, **days, **kept)
