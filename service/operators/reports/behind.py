"""From a report to the rows that it counts: the address of a list by step and series, with its filters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from service.billing.movements import Kind
from service.html.list_query import address
from service.reports.cancellation_list import FILTERS as OF_CANCELLATIONS
from service.reports.cells import Line
from service.reports.movement_list import FILTERS as OF_MOVEMENTS
from service.reports.movement_sums import KINDS_OF
from service.reports.period import Step
from service.reports.queries.leaving import CAUSES, FEEDBACK
from service.reports.report_schemas import Report

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """A list. `of_all` asks it for what the figure counts, `series` for what one of its series does."""

    path: str
    filters: tuple[str, ...]
    series: Mapping[str, Fields]
    of_all: Fields = field(default_factory=dict)


MOVEMENTS, CANCELLATIONS = "/admin/movements", "/admin/cancellations"
_LISTS: Mapping[str, Rows] = {
    "mrr-movements": Rows(
        MOVEMENTS, OF_MOVEMENTS, {kind: {"kind": kind} for kind in get_args(Kind)}
    ),
    "joined-and-left": Rows(
        MOVEMENTS, OF_MOVEMENTS, {way: {"kind": kind} for way, kind in KINDS_OF.items()},
        {"kind": "joined_or_left"},
    ),
    "reasons": Rows(
        MOVEMENTS, OF_MOVEMENTS, {each: {"kind": "churn", "cause": each} for each in CAUSES},
        {"kind": "churn"},
    ),
    "feedback": Rows(
        CANCELLATIONS, OF_CANCELLATIONS, {each: {"feedback": each} for each in FEEDBACK}
    ),
}  # fmt: skip


def rows_behind(report: Report, line: Line | None, step: Step) -> str:
    """Where the rows are that a line counts in a step, or for None all lines; empty: there is no such list."""
    rows, asked = _LISTS.get(report.figure.slug), report.asked
    # The lists know the publication's days alone.
    if rows is None or asked.period.zone.key != asked.home.key:
        return ""
    chosen, fields = dict(asked.chosen), rows.of_all
    if line is not None:
        fields = rows.series.get(line.series, {})
        # What a split or a currency without a name stands for can't be asked for.
        if not fields or (asked.split and not line.split):
            return ""
        chosen |= {asked.split: line.split} if asked.split else {}
        chosen |= {"currency": line.currency} if line.currency else {}
    if not chosen.keys() <= set(rows.filters):
        return ""
    days = {"from": step.first.isoformat(), "to": step.last.isoformat()}
    return address(rows.path, **days, **fields, **chosen)


def answers_behind(report: Report) -> str:
    """Where it is read what those who left answered and wrote, as far as that list has the filters."""
    if report.figure.slug not in {"feedback", "reasons"}:
        return ""
    period, chosen = report.asked.period, report.asked.chosen
    days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    kept = {name: value for name, value in chosen.items() if name in OF_CANCELLATIONS}
    return address(CANCELLATIONS, **days, **kept)
