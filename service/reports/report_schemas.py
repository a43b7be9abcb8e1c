"""Figures over time as JSON: how they are asked for, and how they are answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.problems import Problem, invalid_field
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, Unit, shown
from service.reports.figure import Figure, OverTime, Subject
from service.reports.period import Comparison, Interval, NotAsked, Period, Step, parse_period
from service.settings import Settings
from service.texts import storable

FilterText = Annotated[str, AfterValidator(storable), Field(max_length=100)]
"""What a dimension can be filtered by, wherever it is asked."""
_Day = Annotated[str, Field(max_length=40, examples=["2026-03-01"])]
FILTERS = (
    "plan", "interval_charged", "currency", "section", "source", "last_source", "campaign", "wall",
    "audience", "prompt", "offer", "method", "country", "decline", "tries", "tenure",
    "meter", "code", "coupon", "cohort",
)  # fmt: skip
"""The address has an `interval` already, the step's: so the subscription's is `interval_charged`."""


class DaysQuery(BaseModel):
    """Days and filters of a figure. What is empty isn't asked for."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[_Day, Field(alias="from")] = ""
    """The first day; without it the period begins with the month eleven months before its end."""
    last: Annotated[_Day, Field(alias="to")] = ""
    """The last day, included; without it today."""
    zone: Annotated[str, Field(max_length=60)] = ""
    """An IANA time zone; without it the publication's."""
    plan: FilterText = ""
    interval_charged: FilterText = ""
    currency: FilterText = ""
    section: FilterText = ""
    source: FilterText = ""
    """What led the reader here first: the campaign's source, else the site with the link."""
    last_source: FilterText = ""
    campaign: FilterText = ""
    """The campaign of the first visit."""
    wall: FilterText = ""
    """register or subscribe."""
    audience: FilterText = ""
    """Who met the wall: lapsed, for those who subscribed before, and the like."""
    prompt: Annotated[str, AfterValidator(storable), Field(max_length=200)] = ""
    """The name of the prompt that the wall showed, or of a variant as `experiment/variant`; in older rows a digest of the words."""
    offer: FilterText = ""
    """An offer's id. Its name works, too, as long as no other offer has it."""
    method: FilterText = ""
    """What was paid with, in Stripe's word, such as card; unknown where it doesn't say."""
    country: FilterText = ""
    """Of the card, in two capitals; or unknown."""
    decline: FilterText = ""
    """Why the last charge failed, in the bank's word, such as insufficient_funds."""
    tries: FilterText = ""
    """How many charges failed."""
    tenure: FilterText = ""
    """How long they had stayed: day_1, day_7, day_30, day_100 or later."""
    meter: FilterText = ""
    """A meter of its own by its name, or the publication’s."""
    code: FilterText = ""
    """The letters of a promotion code; of a coupon that was given without one its name and ` (no code)`."""
    coupon: FilterText = ""
    cohort: Annotated[str, AfterValidator(storable), Field(max_length=10)] = ""
    """The month in which readers first paid, such as 2026-03; lists alone can be filtered by it."""

    @property
    def chosen(self) -> dict[str, str]:
        """The value of each dimension that is filtered."""
        given = {name: getattr(self, name) for name in FILTERS}
        return {name: value for name, value in given.items() if value}

    def of_days(
        self, settings: Settings, now: datetime, *, split: str = "", **fields: str
    ) -> Asked:
        """What is asked for, in business time; `fields` are others of the period. Raises Problem `invalid-request`."""
        fields |= {"from": self.first, "to": self.last, "zone": self.zone}
        zone = settings.zone
        try:
            period = parse_period(fields, today=now.astimezone(zone).date(), zone=zone)
        except NotAsked as wrong:
            raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong
        return Asked(period, now, zone, split, self.chosen)


class ReportQuery(DaysQuery):
    """A period in steps, a split and filters."""

    interval: Annotated[str, Field(max_length=20)] = ""
    """day, week, month, quarter or year; without it what suits the length."""
    compare: Annotated[str, Field(max_length=20)] = ""
    """none, before (the period before) or year (a year ago)."""
    split: Annotated[str, Field(max_length=40)] = ""
    """What to tell apart: one of the figure's `splits`."""

    def asked(self, settings: Settings, now: datetime) -> Asked:
        """What is asked for, in business time. Raises Problem `invalid-request`."""
        return self.of_days(
            settings, now, split=self.split, interval=self.interval, compare=self.compare
        )

    def address(self, path: str, **changed: str) -> str:
        """The same report at `path`, with fields changed by their names in the address."""
        fields = {**self.model_dump(by_alias=True), **changed}
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"{path}?{query}" if query else path


AnyReport = Annotated[ReportQuery, Query()]


class ReportFormat(ReportQuery):
    """A period, a split, filters, and the form of the answer."""

    format: Literal["json", "csv", ""] = ""
    """json or csv; without it as the header Accept says, else json."""


class SeriesOut(BaseModel):
    """One part of a figure. Money is in minor units, a percent value a part of 1."""

    key: str
    words: str
    unit: Unit


class FigureOut(BaseModel):
    """A figure and what it means."""

    slug: str
    subject: Subject
    name: str
    definition: str
    denominator: str
    version: int
    """Grows when the definition changes."""
    over_time: OverTime
    """Whether steps add up to the period: end, sum, mixed or own."""
    series: list[SeriesOut]
    splits: list[str]
    filters: list[str]
    """What it can be filtered by."""

    @classmethod
    def of(cls, figure: Figure) -> Self:
        return cls(
            slug=figure.slug,
            subject=figure.subject,
            name=figure.meaning.name,
            definition=figure.meaning.definition,
            denominator=figure.meaning.denominator,
            version=figure.version,
            over_time=figure.over_time,
            series=[SeriesOut(key=s.key, words=s.words, unit=s.unit) for s in figure.series],
            splits=list(figure.splits),
            filters=list(figure.all_filters),
        )


class FigureList(BaseModel):
    """Every figure there is, by subject."""

    items: list[FigureOut]


class CellOut(BaseModel):
    """One value. `value` null: there is none, and `reason` says why.

    `part` and `whole` are what a share is made of, each rounded by itself; `low` and `high` bound it
    with 95 % confidence. `among` says of whom it is, where that isn't everybody in the period.
    """

    value: int | float | None
    reason: str | None
    part: int | float | None = None
    whole: int | float | None = None
    low: float | None = None
    high: float | None = None
    among: str | None = None

    @classmethod
    def of(cls, cell: Cell, unit: Unit) -> Self:
        part, whole = (shown(each, "count") for each in (cell.part, cell.whole))
        return cls(
            value=shown(cell.value, unit), reason=cell.why or None, part=part, whole=whole,
            low=cell.low, high=cell.high, among=cell.among or None,
        )  # fmt: skip


class StepOut(BaseModel):
    """A step's days, both included. `complete`: it is over, and not cut short by the period."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    complete: bool

    model_config = ConfigDict(populate_by_name=True)

    @classmethod
    def of(cls, step: Step, now: datetime) -> Self:
        return cls(first=step.first, last=step.last, complete=step.is_whole and step.until <= now)


class LineOut(BaseModel):
    """One series by one value of the split and one currency: a cell for each step, and the total."""

    series: str
    split: str | None
    split_name: str | None
    """What the pages call the value of the split, such as an offer's name for its id."""
    currency: str | None
    cells: list[CellOut]
    total: CellOut

    @classmethod
    def of(cls, line: Line, unit: Unit, name: str) -> Self:
        return cls(
            series=line.series,
            split=line.split or None,
            split_name=name or None,
            currency=line.currency or None,
            cells=[CellOut.of(each, unit) for each in line.cells],
            total=CellOut.of(line.total, unit),
        )


class PeriodOut(BaseModel):
    """A period with its steps."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    interval: Interval
    zone: str
    steps: list[StepOut]

    model_config = ConfigDict(populate_by_name=True)

    @classmethod
    def of(cls, period: Period, now: datetime) -> Self:
        return cls(
            first=period.first,
            last=period.last,
            interval=period.interval,
            zone=period.zone.key,
            steps=[StepOut.of(each, now) for each in period.steps],
        )


@dataclass(frozen=True)
class Report:
    """A figure over a period, and over the one that it is compared with."""

    figure: Figure
    asked: Asked
    lines: Sequence[Line]
    before: Period | None = None
    lines_before: Sequence[Line] = ()
    converted: Sequence[Line] = ()
    """Its totals over currencies, at the rates that operators entered."""
    converted_before: Sequence[Line] = ()
    split_words: Mapping[str, str] = field(default_factory=dict)
    """What a page calls values by which it is told apart; others are in words already."""
    listed_from: date | None = None
    """The first day at whose end it can be listed what was counted; None: at each."""

    def name_of(self, line: Line) -> str:
        """What a page calls the value by which the line is told apart."""
        return self.split_words.get(line.split, line.split)


class Compared(BaseModel):
    """The same figure over the period that it is compared with."""

    compare: Comparison
    period: PeriodOut
    lines: list[LineOut]


class ReportOut(BaseModel):
    """A figure over a period."""

    figure: FigureOut
    as_of: datetime
    period: PeriodOut
    split: str | None
    lines: list[LineOut]
    converted: list[LineOut]
    """Totals over all currencies at the rates that were entered; `currency` is that of the total."""
    before: Compared | None

    @classmethod
    def of(cls, report: Report) -> Self:
        asked, figure = report.asked, report.figure

        def lines(found: Sequence[Line]) -> list[LineOut]:
            return [
                LineOut.of(each, figure.series_of(each).unit, report.name_of(each))
                for each in found
            ]

        before = None
        if report.before is not None:
            before = Compared(
                compare=asked.period.compared,
                period=PeriodOut.of(report.before, asked.now),
                lines=lines(report.lines_before),
            )
        return cls(
            figure=FigureOut.of(figure),
            as_of=asked.now,
            period=PeriodOut.of(asked.period, asked.now),
            split=asked.split or None,
            lines=lines(report.lines),
            converted=lines(report.converted),
            before=before,
        )


def asked_format(accept: str) -> Literal["json", "csv"]:
    """Which of the two the header Accept names first; JSON where it names neither."""
    named = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    known: dict[str, Literal["json", "csv"]] = {"application/json": "json", "text/csv": "csv"}
    return next((known[each] for each in named if each in known), "json")


def no_such_figure() -> Problem:
    return Problem("not-found", "Report not found. Check the list of reports.")
