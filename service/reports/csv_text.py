"""Reports as CSV: UTF-8, RFC 4180. A cell can't become a formula where the file is opened.

A text that begins with one of `= + - @`, tab or CR, or with an apostrophe, has an apostrophe before
it; a reader of the file removes one apostrophe. Numbers are written as they are.
"""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

from service.reports.cells import Cell, Line, shown
from service.reports.period import Period, Step
from service.reports.report_schemas import Report

MARK = "'"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", MARK)
Value = str | int | float | None
HEADER = (
    "figure", "version", "series", "split", "currency", "compared", "from", "to", "complete",
    "value", "unit", "reason", "part", "whole", "low", "high", "converted", "among",
    "split_name",
)  # fmt: skip


def neutral(value: Value) -> Value:
    """The cell as it is written: a text that is no formula, and in words what is true or not."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith(_DANGEROUS):
        return MARK + value
    return value


def csv_lines(rows: Iterable[Iterable[Value]]) -> Iterator[str]:
    """Each row as a line of text, made as it is asked for."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([neutral(each) for each in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def report_rows(report: Report) -> Iterator[tuple[Value, ...]]:
    """The header, then a row for each step of each series, and one for the period as a whole."""
    yield HEADER
    period = report.asked.period
    yield from _rows(report, period, report.lines, "")
    yield from _rows(report, period, report.converted, "", is_converted=True)
    if report.before is not None:
        yield from _rows(report, report.before, report.lines_before, period.compared)


def _rows(
    report: Report,
    period: Period,
    lines: Iterable[Line],
    compared: str,
    *,
    is_converted: bool = False,
) -> Iterator[tuple[Value, ...]]:
    for line in lines:
        for step, cell in zip(period.steps, line.cells, strict=True):
            yield _row(report, line, step, cell, compared, is_converted=is_converted)
        yield _row(report, line, period.whole, line.total, compared, is_converted=is_converted)


def _row(
    report: Report, line: Line, step: Step, cell: Cell, compared: str, *, is_converted: bool
) -> tuple[Value, ...]:
    figure, unit = report.figure, report.figure.series_of(line).unit
    complete = step.is_whole and step.until <= report.asked.now
    return (
        figure.slug, figure.version, line.series, line.split, line.currency, compared,
        step.first.isoformat(), step.last.isoformat(), complete,
        shown(cell.value, unit), unit, cell.why, shown(cell.part, "count"),
        shown(cell.whole, "count"), cell.low, cell.high, "yes" if is_converted else "", cell.among,
        report.name_of(line),
    )  # fmt: skip
