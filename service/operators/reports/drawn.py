"""A report's charts: what adds up is stacked, anything else is lines; no scale mixes units or currencies."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from service.operators.reports.charts import NARROW, WIDE, Chart, bar_chart, line_chart
from service.operators.reports.shown import LEAST_STEP, Behind, name_of
from service.reports.cells import SAMPLE, Line, Unit
from service.reports.figure import Figure, Parts
from service.reports.report_schemas import Report

MOST_DRAWN = 8
"""As many lines as colours can be told apart; the table has all."""
_EDGES = ("start", "end")
"""Series that are levels beside changes: the table has them, a chart of changes doesn't."""


@dataclass(frozen=True)
class Drawn:
    """One chart in two sizes. `title`: what its lines have in common; `left_out`: lines that aren't drawn.

    `behind`: by line and step, the address of its rows, or nothing.
    """

    title: str
    currency: str
    is_stack: bool
    charts: tuple[Chart, Chart]
    names: tuple[str, ...]
    unit: Unit
    left_out: int
    behind: tuple[tuple[str, ...], ...]

    @property
    def about(self) -> str:
        return ", ".join(each for each in (self.title, self.currency) if each)


@dataclass(frozen=True)
class Group:
    """The lines of one chart."""

    title: str
    currency: str
    unit: Unit
    is_stack: bool
    lines: list[Line]


def drawings(report: Report, behind: Behind) -> list[Drawn]:
    """The charts that have something to show."""
    if report.figure.is_heat_map:
        return []
    return [
        _drawn(report, group, behind)
        for group in groups(report.figure, report.lines, report.asked.split)
        if any(cell.value is not None for line in group.lines for cell in line.cells)
    ]


def groups(figure: Figure, lines: Iterable[Line], split: str) -> list[Group]:
    """Which lines are drawn together. What parts add up to is their stack's height, and not drawn again."""
    stacks = figure.parts if split not in figure.overlapping else ()
    sums = {each.of for each in stacks} - {key for each in stacks for key in each.keys}
    found: dict[Hashable, list[Line]] = {}
    for line in lines:
        key = line.series
        is_edge = figure.over_time == "mixed" and key in _EDGES
        if key == SAMPLE or key in sums or is_edge:
            continue
        stack = next((each for each in stacks if key in each.keys), None)
        apart = stack or (key if line.split else "")
        of = (apart, line.currency, figure.series_of(line).unit)
        found.setdefault(of, []).append(line)
    return [_group(figure, stacks, of) for of in found.values()]


def _group(figure: Figure, stacks: tuple[Parts, ...], lines: list[Line]) -> Group:
    series = {each.series for each in lines}
    stack = next((each for each in stacks if series <= set(each.keys)), None)
    # The series that all are of, or add up to.
    about = stack.of if stack and stack.of else ""
    if not about and len(series) == 1 and len(figure.series) > 1:
        (about,) = series
    words = next((each.words for each in figure.series if each.key == about), "")
    return Group(
        words, lines[0].currency, figure.series_of(lines[0]).unit, stack is not None, lines
    )


def _drawn(report: Report, group: Group, behind: Behind) -> Drawn:
    lines, figure, steps = group.lines, report.figure, report.asked.period.steps
    room = MOST_DRAWN
    if group.is_stack and len(lines) > MOST_DRAWN:
        room -= len(_rests(lines))
    largest = sorted(lines, key=lambda each: abs(Fraction(each.total.value or 0)), reverse=True)
    chosen = [each for each in lines if each in largest[:room]]
    rest = [each for each in lines if each not in chosen]
    values = [_values(each) for each in chosen]
    names = [
        report.name_of(each)
        if each.split and group.title == figure.series_of(each).words
        else name_of(report, each)
        for each in chosen
    ]  # fmt: skip
    # Bars alone lead somewhere, those that have a height.
    addresses = [
        tuple(
            behind(line, step) if group.is_stack and cell.value else ""
            for cell, step in zip(line.cells, steps, strict=True)
        )
        for line in chosen
    ]
    if rest and group.is_stack:
        # A stack is as high as all of it.
        rests = _rests(rest)
        values += rests.values()
        names += [
            f"{len(rest)} others" + (f", {words}" if len(rests) > 1 else "") for words in rests
        ]
        addresses += [("",) * len(steps)] * len(rests)
    over = [each.until <= report.asked.now for each in steps]
    running = over.index(False) if False in over else None
    least = LEAST_STEP[group.unit]
    wide, narrow = (
        bar_chart(values, size, least=least)
        if group.is_stack
        else line_chart(values, size, least=least, running=running)
        for size in (WIDE, NARROW)
    )
    return Drawn(
        group.title, group.currency, group.is_stack, (wide, narrow), tuple(names), group.unit,
        0 if group.is_stack else len(rest), tuple(addresses),
    )  # fmt: skip


def _values(line: Line) -> list[float | None]:
    return [None if each.value is None else float(each.value) for each in line.cells]


def _rests(lines: list[Line]) -> dict[str, list[float | None]]:
    """The lines together, gains apart from losses; one of both alone where there is nothing of the other."""
    steps = list(zip(*map(_values, lines), strict=True))
    gains = [_sum(value for value in each if value is not None and value >= 0) for each in steps]
    losses = [_sum(value for value in each if value is not None and value < 0) for each in steps]
    if not any(losses):
        return {"gains": gains}
    return {"gains": gains, "losses": losses} if any(gains) else {"losses": losses}


def _sum(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) if known else None
