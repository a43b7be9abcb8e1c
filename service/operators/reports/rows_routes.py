"""The page of the list behind a figure: each row leads to its reader."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.session import ReportSession
from service.finance.declines import decline_words
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.periods import days_of, refused_list
from service.operators.frame.visits import Visit, page_requires
from service.operators.reports.api import Slug
from service.operators.reports.schemas import AnyCounted
from service.problems import Problem
from service.reports import choices
from service.reports.counted_list import (
    Counted,
    checked,
    list_counted,
    listed_figure,
    listed_filters,
)
from service.reports.dimension_words import WORDS
from service.reports.figure import Figure
from service.reports.registry import BY_SLUG
from service.settings import AppSettings

router = APIRouter(prefix="/reports", route_class=PageRoute, include_in_schema=False)
CAUSE_WORDS = {each.key: each.words for each in BY_SLUG["reasons"].series}

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]


@router.get("/{slug}/rows")
async def show_rows(
    request: Request,
    slug: Slug,
    _: SeesSubscribers,
    asked: AnyCounted,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> Response:
    """Those of the period, the newest first."""
    figure = listed_figure(slug)
    words, filters = series_words(figure), listed_filters(figure)
    known = await choices.known_values(session, filters)
    form: dict[str, Any] = {
        "asked": asked, "figure": figure, "words": words, "offered": _offered(figure, asked.series), "filter_words": WORDS,
        "choices": known, "value_words": await choices.value_words(session, {"offer": (), **known}, settings),
        "detail_of": detail_of,
    }  # fmt: skip
    try:
        period = await checked(session, figure, asked.asked(settings, clocks.business()))
        # An offer that was asked for by its name is shown by its id.
        form["asked"] = asked.model_copy(update={**period.chosen})
        found = await list_counted(
            session, figure, period, asked.series, cursor=asked.cursor, limit=asked.limit
        )
    except Problem as problem:
        return refused_list(request, "report_rows.html", problem, form)
    has_what = len(words) > 1 or any(detail_of(figure, each) for each in found.items)
    return page(
        request, "report_rows.html", found=found, has_what=has_what, typed=days_of(period.period),
        refusal="", **form,
    )  # fmt: skip


def series_words(figure: Figure) -> dict[str, str]:
    """What can be listed, in words."""
    if figure.listing is None:
        return {}
    known = {each.key: each.words for each in figure.series}
    listed = {name: known[name] for name in figure.listing.series}
    return {**listed, **figure.listing.more}


def _offered(figure: Figure, asked: str) -> dict[str, str]:
    """What the form offers: amounts and shares have the rows of what they are of."""
    counts = {each.key for each in figure.series if each.unit in {"readers", "count"}}
    more = figure.listing.more if figure.listing else {}
    words = series_words(figure)
    wanted = {*(counts & words.keys() or words), *more, asked}
    return {key: each for key, each in words.items() if key in wanted}


def detail_of(figure: Figure, row: Counted) -> str:
    """What is known beside the series, in words."""
    match figure.slug:
        case "dunning":
            return decline_words(row.detail or "")
        case "active-days":
            return f"{row.detail} of 30 days with a read"
        case _ if figure.subject == "Leaving" or figure.slug == "joined-and-left":
            cause = CAUSE_WORDS.get(row.detail or "", row.detail or "")
            return "" if cause in {series_words(figure).get(row.series), row.series} else cause
        case _:
            return row.detail or ""
