"""The first page's figures over today, 30 days or a year, each with a chart and the table behind it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Annotated, ClassVar, Literal

from fastapi import Query
from pydantic import Field

from service.db.session import Database
from service.operators.reports import shown
from service.operators.reports.behind import rows_behind
from service.operators.reports.drawn import Drawn, drawings
from service.reports.cells import Line
from service.reports.figure import Figure
from service.reports.in_time import in_time_and_turn
from service.reports.period import Step
from service.reports.registry import BY_SLUG
from service.reports.report import report_on
from service.reports.report_schemas import FilterText, Report, ReportQuery
from service.reports.schemas import SubscribersQuery
from service.settings import Settings

Span = Literal["today", "month", "year"]
SPANS: Mapping[Span, str] = {"today": "Today so far", "month": "30 days", "year": "A year"}
FILTERS = ("plan", "interval_charged", "currency", "section", "source")
_CHARTS = (
    "active-subscribers", "mrr", "mrr-movements", "joined-and-left", "trial-conversion", "revenue",
    "stop-rate", "paid-after-a-wall", "access-mix", "articles",
)  # fmt: skip
"""In the page's order."""
_RANKED = 10
_DAYS = 30
_MANY_TILES = 6
_AT_ONCE = 2
"""Figures: fewer than may be counted at a time, so that one page leaves a turn to others."""
_PATIENCE = 15.0
"""Seconds: browsers and what is before us wait for a page about a minute."""


class OverviewQuery(SubscribersQuery):
    """The list's fields, and of the figures the span and what they are filtered by."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    """Of subscribers: the list of readers has them all."""
    span: Span = "month"
    interval_charged: FilterText = ""
    currency: FilterText = ""
    section: FilterText = ""
    source: FilterText = ""

    def figures_of(self, figure: Figure, today: date) -> ReportQuery:
        """The report of the figure over this span, with those filters that it has."""
        given = {name: getattr(self, name) or "" for name in FILTERS}
        chosen = {name: value for name, value in given.items() if name in figure.all_filters}
        first, interval = _since(self.span, today)
        # A morning isn't compared with a whole day.
        compare = "none" if self.span == "today" else "before"
        return ReportQuery.model_validate(
            {
                "from": first, "to": today.isoformat(), "interval": interval,
                "compare": compare, **chosen,
            }
        )  # fmt: skip

    def not_by(self, figure: Figure) -> list[str]:
        """The filters that are asked for and that the figure doesn't have."""
        return [n for n in FILTERS if getattr(self, n) and n not in figure.all_filters]


AnyOverview = Annotated[OverviewQuery, Query()]


@dataclass(frozen=True)
class Card:
    """One figure. `address` leads to its report; `rows` lead each to the report of that step."""

    report: Report
    address: str
    tiles: list[shown.Tile]
    totals: list[tuple[str, shown.Shown]]
    """Over all currencies."""
    drawings: list[Drawn]
    table: shown.Table
    steps: tuple[str, ...]
    behind: tuple[str, ...]
    """By step: the address of its report in smaller steps."""
    not_by: list[str]
    articles: Mapping[str, str]
    """Of those that the table names: the slug."""
    is_late: ClassVar = False

    @property
    def figure(self) -> Figure:
        return self.report.figure


@dataclass(frozen=True)
class LateCard:
    """A figure that took too long to load, or whose turn didn't come in time."""

    figure: Figure
    address: str
    is_late: ClassVar = True


async def cards(
    database: Database,
    asked: OverviewQuery,
    settings: Settings,
    now: datetime,
    *,
    sees_readers: bool,
) -> list[Card | LateCard]:
    """Each figure of the page, counted by itself; its bars and values lead to the list of whom they count. After `_PATIENCE` seconds no other is begun."""
    today = now.astimezone(settings.zone).date()
    begun, turns = monotonic(), asyncio.Semaphore(_AT_ONCE)

    async def card(figure: Figure) -> Card | LateCard:
        query = asked.figures_of(figure, today)
        # Of a ranking the period before isn't shown here.
        counted = query.model_copy(update={"compare": "none"}) if figure.is_ranked else query
        count = partial(report_on, slug=figure.slug, asked=counted.asked(settings, now))
        async with turns:
            is_late = monotonic() - begun > _PATIENCE
            report = None if is_late else await in_time_and_turn(database, figure.slug, count)
        if report is None:
            return LateCard(figure, query.address(_address(figure)))
        return _card(report, query, asked.not_by(figure), sees_readers=sees_readers)

    # All of them to their end, whatever one of them meets: nothing of this page goes on behind it.
    found = await asyncio.gather(*(card(BY_SLUG[slug]) for slug in _CHARTS), return_exceptions=True)
    made = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        made.append(each)
    return made


def _address(figure: Figure) -> str:
    return f"/admin/reports/{figure.slug}"


def _card(
    report: Report, query: ReportQuery, not_by: list[str], *, sees_readers: bool
) -> Card:  # fmt: skip
    figure, period, here = report.figure, report.asked.period, _address(report.figure)

    # The same for each line, of which a figure may have dozens.
    by_step = {
        step: query.address(
            here, compare="", interval="day",
            **{"from": step.first.isoformat(), "to": step.last.isoformat()},
        )
        for step in period.steps
    }  # fmt: skip

    def rows_of(line: Line | None, step: Step) -> str:
        return rows_behind(report, line, step) if sees_readers else ""

    def behind(line: Line | None, step: Step) -> str:
        return rows_of(line, step) or by_step[step]

    is_drawn = len(period.steps) > 1 and not figure.is_ranked
    return Card(
        report, query.address(here), all_tiles(report, rows_of), shown.totals(report), drawings(report, behind) if is_drawn else [],
        shown.summary(report, _RANKED) if figure.is_ranked else shown.table(report), shown.step_names(period), tuple(by_step.values()),
        not_by, shown.articles(report),
    )  # fmt: skip


def all_tiles(report: Report, behind: shown.Behind = shown.nowhere) -> list[shown.Tile]:
    """Of many those that aren't 0."""
    if report.figure.is_ranked:
        return []
    found = shown.tiles(report, behind)
    if len(found) <= _MANY_TILES:
        return found
    pairs = zip(found, report.lines, strict=True)
    return [tile for tile, line in pairs if line.total.value]


def _since(span: Span, today: date) -> tuple[str, str]:
    """The first day, empty where a report begins there by itself, and the steps."""
    if span == "year":
        return "", "month"
    back = 0 if span == "today" else _DAYS - 1
    return (today - timedelta(days=back)).isoformat(), "day"
