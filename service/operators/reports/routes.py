"""The reports' pages: the list of figures by subject, and one figure over a period."""

from dataclasses import replace
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.session import ReportSession
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.operators.reports import shown
from service.operators.reports.behind import answers_behind, rows_behind
from service.operators.reports.drawn import drawings
from service.problems import Problem
from service.reports import choices
from service.reports.cells import Line
from service.reports.dimension_words import WORDS
from service.reports.figure import OVER_TIME_WORDS, Figure, Subject
from service.reports.period import COMPARISONS, INTERVALS, Step
from service.reports.registry import BY_SLUG, FIGURES
from service.reports.report import listed_from, named, report_on
from service.reports.report_schemas import AnyReport, ReportQuery, no_such_figure
from service.reports.schemas import Storable
from service.settings import AppSettings, Settings

router = APIRouter(prefix="/reports", route_class=PageRoute, include_in_schema=False)
SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
COMPARED = {"none": "No comparison", "before": "Previous period", "year": "Previous year"}
STEPS = {
    "day": "Days", "week": "Weeks", "month": "Months", "quarter": "Quarters", "year": "Years",
}  # fmt: skip


@router.get("")
async def show_figures(request: Request, _: SeesFigures) -> Response:
    """Every figure, by subject."""
    return page(request, "reports.html", subjects=_by_subject())


@router.get("/{slug}")
async def show_report(
    request: Request,
    visit: SeesFigures,
    slug: Annotated[str, Path(max_length=100), Storable],
    query: AnyReport,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> Response:
    """One figure: its period as a whole, a chart, and the table behind it."""
    figure = BY_SLUG.get(slug)
    if figure is None:
        raise no_such_figure()
    form = await _form(session, figure, query, settings)
    try:
        report = await report_on(session, slug, query.asked(settings, clocks.business()))
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        typed = {
            "from": query.first, "to": query.last, "interval": query.interval,
            "compare": query.compare,
        }  # fmt: skip
        return page(
            request, "report.html", status_code=422, typed=typed, refusal=problem.detail, **form
        )
    report = replace(
        await named(session, report, settings), listed_from=await listed_from(session, figure)
    )
    # An offer that was asked for by its name is shown, and asked for again, by its id.
    form["query"] = query.model_copy(update={**report.asked.chosen})
    period = report.asked.period
    sees_readers = Permission.SUBSCRIBERS_READ in visit.operator.permissions

    tells_apart = any(each.split for each in report.lines)

    def behind(line: Line | None, step: Step) -> str:
        return rows_behind(report, line, step) if sees_readers else ""

    return page(
        request,
        "report.html",
        report=report,
        period=period,
        typed={
            "from": period.first,
            "to": period.last,
            "interval": period.interval,
            "compare": period.compared,
        },
        refusal="",
        over_time=OVER_TIME_WORDS[report.figure.over_time],
        tiles=[] if tells_apart else shown.tiles(report, behind),
        summary=shown.summary(report) if tells_apart and not report.figure.is_heat_map else None,
        articles=shown.articles(report),
        totals=shown.totals(report),
        drawings=drawings(report, behind),
        table=shown.table(report, behind),
        reasons=shown.reasons(report),
        tick=shown.tick_text,
        steps=shown.step_names(period),
        behind=[behind(None, each) for each in (*period.steps, period.whole)],
        answers=answers_behind(report) if sees_readers else "",
        **form,
    )


async def _form(
    session: AsyncSession, figure: Figure, query: ReportQuery, settings: Settings
) -> dict[str, Any]:
    """What can be asked of a figure, and what is."""
    known = await choices.known_values(session, figure.all_filters)
    return {
        "figure": figure,
        "query": query,
        "intervals": {each: STEPS[each] for each in INTERVALS},
        "compared": {each: COMPARED[each] for each in COMPARISONS},
        "splits": {each: WORDS[each] for each in figure.splits},
        "filters": {each: WORDS[each] for each in figure.all_filters},
        "choices": known,
        "value_words": await choices.value_words(session, known, settings),
        "subjects": _by_subject(),
    }


def _by_subject() -> dict[Subject, list[Figure]]:
    return {
        subject: [each for each in FIGURES if each.subject == subject]
        for subject in get_args(Subject)
        if any(each.subject == subject for each in FIGURES)
    }
