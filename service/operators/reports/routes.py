"""The reports' pages: the list of figures by subject, and one figure over a period."""

from collections.abc import Iterable, Mapping
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.clock import AppClocks
from service.db.session import ReportSession
from service.db.tables import Article, Offer
from service.html.list_query import address
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.operators.reports import shown
from service.reports import subscriber_list
from service.reports.figure import OVER_TIME_WORDS, Figure, Subject
from service.reports.movement_sums import LATER, TENURES
from service.reports.period import COMPARISONS, INTERVALS
from service.reports.queries.holders import NO_SECTION
from service.reports.registry import FIGURES
from service.reports.report import report_on
from service.reports.report_schemas import AnyReport, Report, ReportQuery
from service.reports.schemas import Storable
from service.rules.prompts import AUDIENCE_WORDS
from service.settings import AppSettings

router = APIRouter(prefix="/reports", route_class=PageRoute, include_in_schema=False)
SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
COMPARED = {"none": "Nothing", "before": "The period before", "year": "A year ago"}
SPLIT_WORDS = {
    "plan": "Plan", "interval_charged": "Billing interval", "currency": "Currency",
    "section": "Section", "source": "First source", "last_source": "Last source",
    "campaign": "First campaign", "wall": "Wall", "audience": "Reader at the wall",
    "prompt": "Words of the wall", "offer": "Offer",
    "method": "Paid with", "country": "Country of the card", "decline": "Decline", "tries": "Failed tries", "tenure": "Tenure",
}  # fmt: skip
FIXED = {
    "interval_charged": ("day", "week", "month", "year"), "wall": ("register", "subscribe"),
    "audience": tuple(AUDIENCE_WORDS), "tenure": (*TENURES, LATER),
}  # fmt: skip
_ROWS: Mapping[str, str] = {
    "mrr-movements": "/admin/movements", "joined-and-left": "/admin/movements",
    "feedback": "/admin/cancellations", "reasons": "/admin/cancellations",
}  # fmt: skip
"""By figure, the list of what it counts."""
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
    report = await report_on(session, slug, query.asked(settings, clocks.business()))
    return page(
        request,
        "report.html",
        report=report,
        figure=report.figure,
        period=report.asked.period,
        query=query,
        over_time=OVER_TIME_WORDS[report.figure.over_time],
        tiles=shown.tiles(report),
        totals=shown.totals(report),
        drawings=shown.drawings(report),
        kind=shown.kind_of(report.figure),
        table=shown.table(report),
        reasons=shown.reasons(report),
        tick=shown.tick_text,
        steps=shown.step_names(report.asked.period),
        intervals={each: STEPS[each] for each in INTERVALS},
        compared={each: COMPARED[each] for each in COMPARISONS},
        splits={each: SPLIT_WORDS[each] for each in report.figure.splits},
        filters={each: SPLIT_WORDS[each] for each in report.figure.all_filters},
        choices=await _choices(session, report),
        behind=_rows_behind(report, query, visit),
        subjects=_by_subject(),
    )


def _rows_behind(report: Report, query: ReportQuery, visit: Visit) -> tuple[str, ...]:
    """By step, the address of the rows that it counts; nothing where there is no such list, or not for them."""
    path = _ROWS.get(report.figure.slug)
    # The lists know the publication's days alone.
    if path is None or query.zone or Permission.SUBSCRIBERS_READ not in visit.operator.permissions:
        return ()
    return tuple(
        address(path, **{"from": each.first.isoformat(), "to": each.last.isoformat()})
        for each in report.asked.period.steps
    )


def _by_subject() -> dict[Subject, list[Figure]]:
    return {
        subject: [each for each in FIGURES if each.subject == subject]
        for subject in get_args(Subject)
        if any(each.subject == subject for each in FIGURES)
    }


async def _choices(session: AsyncSession, report: Report) -> dict[str, list[str]]:
    """What each filter of the figure can be set to; nothing: whatever is typed."""
    return await known_values(session, report.figure.all_filters)


async def known_values(session: AsyncSession, names: Iterable[str]) -> dict[str, list[str]]:
    """What each of these filters can be set to; nothing: whatever is typed."""
    return {name: await _known(session, name) for name in names}


async def _known(session: AsyncSession, name: str) -> list[str]:
    match name:
        case "plan":
            return await subscriber_list.plans(session)
        case "currency":
            return await _distinct(session, Offer.currency)
        case "section":
            return [*await _distinct(session, Article.section), NO_SECTION]
        case "offer":
            return await _distinct(session, Offer.name)
        case _:
            return list(FIXED.get(name, ()))


async def _distinct(
    session: AsyncSession, column: "InstrumentedAttribute[str] | InstrumentedAttribute[str | None]"
) -> list[str]:
    found = select(column).where(column.is_not(None)).distinct().order_by(column)
    return [each for each in await session.scalars(found) if each is not None]
