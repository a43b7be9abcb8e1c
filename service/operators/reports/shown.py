"""A report as a page shows it: words for its values, and the table of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from service.offers.pricing import amount_text
from service.reports.cells import Cell, Line, Unit, shown
from service.reports.figure import Figure
from service.reports.period import Interval, Period, Step
from service.reports.report_schemas import Report

DASH, _MINUS = "—", "−"
Behind = Callable[[Line, Step], str]
"""Where the rows of a line and step are; empty: nowhere."""


def nowhere(_: Line, __: Step) -> str:
    return ""


@dataclass(frozen=True)
class Tile:
    """The period's value of one line, and of the period that it is compared with."""

    words: str
    value: str
    why: str
    of: str
    interval: str
    among: str
    before: str
    behind: str = ""
    """Where its rows are."""

    @property
    def notes(self) -> list[str]:
        """Of whom the value is, why there is none, and what it is made of."""
        made_of = f"{self.of}, likely {self.interval}" if self.interval else self.of
        return [each for each in (self.among, self.why, made_of) if each]


@dataclass(frozen=True)
class Shown:
    """A cell of the table. `note`: why it is a dash, or of whom it is; `behind`: where its rows are.

    `heat` from 0 to 10 says how dark it is; None: it isn't of a heat map.
    """

    text: str
    note: str
    heat: int | None = None
    behind: str = ""
    before: str = ""
    """What it was in the period that it is compared with."""


@dataclass(frozen=True)
class Table:
    """`rows` are a name and a cell a column; `by_step`: each row is a step, the last one the period."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shown, ...]], ...]
    by_step: bool


def value_text(cell: Cell, unit: Unit, currency: str) -> str:
    """The value in words; a dash where there is none."""
    value = shown(cell.value, unit)
    return DASH if value is None else number_text(value, unit, currency)


def number_text(value: float, unit: Unit, currency: str) -> str:
    match unit:
        case "money" if value < 0:
            return f"{_MINUS}{amount_text(round(-value), currency)}"
        case "money":
            return amount_text(round(value), currency)
        case "percent":
            text = f"{value * 100:,.1f} %"
        case "times":
            text = f"{value:,.2f}"
        case "days":
            text = f"{value:,.1f} days"
        case _:
            text = f"{value:,.0f}"
    return text.replace("-", _MINUS)


LEAST_STEP: Mapping[Unit, float] = {
    "readers": 1, "count": 1, "money": 1, "percent": 0.001, "times": 0.01, "days": 0.1,
}  # fmt: skip
"""Of whose multiples `tick_text` shows each as it is."""


def tick_text(value: float, unit: Unit, currency: str) -> str:
    """As short as a scale needs it."""
    text = number_text(value, unit, currency)
    if unit == "money":
        return text.replace(".00", "")
    return text.replace(".0 %", " %").removesuffix(" days")


def step_text(day: date, interval: Interval) -> str:
    """A step by its first day."""
    match interval:
        case "year":
            return f"{day:%Y}"
        case "quarter":
            return f"Q{(day.month + 2) // 3} {day:%Y}"
        case "month":
            return f"{day:%b %Y}"
        case _:
            return f"{day.day} {day:%b}"


def step_names(period: Period) -> tuple[str, ...]:
    """All steps; with the year where the period has several."""
    several = period.first.year != period.last.year and period.interval in {"day", "week"}
    return tuple(
        step_text(each.first, period.interval) + (f" {each.first:%Y}" if several else "")
        for each in period.steps
    )


def _names_currencies(report: Report) -> bool:
    """Whether a line's name says its currency: where there are several series or currencies."""
    several = len({each.currency for each in report.lines if each.currency}) > 1
    return several or len(report.figure.series) > 1


def name_of(report: Report, line: Line, *, with_currency: bool = False) -> str:
    """What tells the line from the figure's others."""
    figure, split = report.figure, report.name_of(line)
    words = figure.series_of(line).words if len(figure.series) > 1 else ""
    parts = [words, split, line.currency if with_currency else ""]
    return ", ".join(each for each in parts if each) or figure.meaning.name


def tiles(report: Report, behind: Behind = nowhere) -> list[Tile]:
    """The period as a whole, a tile a line."""
    figure, with_currency = report.figure, _names_currencies(report)
    earlier = {(each.series, each.split, each.currency): each for each in report.lines_before}
    found: list[Tile] = []
    for line in report.lines:
        unit, cell = figure.series_of(line).unit, line.total
        before = earlier.get((line.series, line.split, line.currency))
        found.append(
            Tile(
                words=name_of(report, line, with_currency=with_currency),
                value=value_text(cell, unit, line.currency),
                why=cell.why,
                of=_of(cell, unit, line.currency),
                interval=_interval(cell),
                among=cell.among,
                before=value_text(before.total, unit, line.currency) if before else "",
                behind=behind(line, report.asked.period.whole) if cell.value or cell.part else "",
            )
        )
    return found


def summary(report: Report, most: int | None = None) -> Table:
    """The whole period by what is told apart, a row each, and what is counted of it across."""
    figure = report.figure
    columns = list(dict.fromkeys((each.series, each.currency) for each in report.lines))
    splits = list(dict.fromkeys(each.split for each in report.lines))[:most]
    found = {(each.split, each.series, each.currency): each for each in report.lines}
    before = {(each.split, each.series, each.currency): each for each in report.lines_before}
    several = _names_currencies(report)
    headings = {
        (each.series, each.currency): name_of(
            report, replace(each, split=""), with_currency=several
        )
        for each in report.lines
    }
    return Table(
        tuple(headings[each] for each in columns),
        tuple(
            (report.split_words.get(split, split), tuple(_whole(figure, found.get((split, *each)), before.get((split, *each))) for each in columns))
            for split in splits
        ),
        by_step=False,
    )  # fmt: skip


def articles(report: Report) -> dict[str, str]:
    """The slugs of the articles that it tells apart, by what it calls them."""
    return {each.split: each.article for each in report.lines if each.article}


def _whole(figure: Figure, line: Line | None, before: Line | None) -> Shown:
    if line is None:
        return Shown(DASH, "")
    unit = figure.series_of(line).unit
    return Shown(
        value_text(line.total, unit, line.currency),
        " ".join(
            each
            for each in (line.total.among, line.total.why, _of(line.total, unit, line.currency))
            if each
        ),
        before=value_text(before.total, unit, line.currency) if before else "",
    )


def totals(report: Report) -> list[tuple[str, Shown]]:
    """The period's totals over currencies, in words."""
    figure = report.figure
    return [
        (
            name_of(report, line, with_currency=True),
            Shown(
                value_text(line.total, figure.series_of(line).unit, line.currency), line.total.why
            ),
        )
        for line in report.converted
    ]


def table(report: Report, behind: Behind = nowhere) -> Table:
    """Every value; the shorter side across."""
    figure = report.figure
    names = [name_of(report, each, with_currency=True) for each in report.lines]
    steps = [*step_names(report.asked.period), "Whole period"]
    period = report.asked.period
    cells = [
        [
            _shown(figure, line, cell, behind(line, step) if cell.value or cell.part else "")
            for cell, step in zip(
                (*line.cells, line.total), (*period.steps, period.whole), strict=True
            )
        ]
        for line in report.lines
    ]
    if figure.is_heat_map or len(names) > len(steps):
        rows = [(name, tuple(each)) for name, each in zip(names, cells, strict=True)]
        return Table(tuple(steps), tuple(rows), by_step=False)
    rows = [(step, tuple(each[number] for each in cells)) for number, step in enumerate(steps)]
    return Table(tuple(names), tuple(rows), by_step=True)


def _shown(figure: Figure, line: Line, cell: Cell, behind: str) -> Shown:
    text = value_text(cell, figure.series_of(line).unit, line.currency)
    heat = round(cell.value * 10) if figure.is_heat_map and cell.value is not None else None
    return Shown(text, " ".join(each for each in (cell.among, cell.why) if each), heat, behind)


def reasons(report: Report) -> list[str]:
    """Why there are dashes, each reason once."""
    found = [cell.why for line in report.lines for cell in (*line.cells, line.total) if cell.why]
    return list(dict.fromkeys(found))


def _of(cell: Cell, unit: Unit, currency: str) -> str:
    # Money's parts are exact fractions: figures of their own show them.
    if (
        unit != "percent"
        or cell.value is None
        or not isinstance(cell.part, int)
        or not isinstance(cell.whole, int)
    ):
        return ""
    if currency:
        return f"{amount_text(cell.part, currency)} of {amount_text(cell.whole, currency)}"
    return f"{cell.part:,} of {cell.whole:,}"


def _interval(cell: Cell) -> str:
    if cell.low is None or cell.high is None:
        return ""
    return f"{cell.low * 100:.1f} to {cell.high * 100:.1f} %"
