"""The page of what readers say when they cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.session import ReportSession
from service.identity.permissions import Permission
from service.operators.cancellations.schemas import AnyCancellations
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.periods import days_of, refused_list
from service.operators.frame.visits import Visit, page_requires
from service.problems import Problem
from service.reports import choices
from service.reports.cancellation_list import list_cancellations
from service.reports.dimension_words import WORDS
from service.reports.registry import BY_SLUG
from service.settings import AppSettings

router = APIRouter(prefix="/cancellations", route_class=PageRoute, include_in_schema=False)
TENURE_WORDS = {each.key: each.words for each in BY_SLUG["tenure"].series}
FEEDBACK_WORDS = {each.key: each.words for each in BY_SLUG["feedback"].series}

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]


@router.get("")
async def show_cancellations(
    request: Request,
    _: SeesSubscribers,
    asked: AnyCancellations,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> Response:
    """Those of the period, the newest first; each leads to the reader."""
    form: dict[str, Any] = {
        "asked": asked, "tenures": TENURE_WORDS, "feedbacks": FEEDBACK_WORDS, "words": WORDS,
        "choices": await choices.known_values(session, ("plan", "interval_charged", "currency")),
        "value_words": choices.VALUE_WORDS,
    }  # fmt: skip
    try:
        period = asked.asked(settings, clocks.business())
        await choices.refuse_unknown(session, asked.filtered)
    except Problem as problem:
        return refused_list(request, "cancellations.html", problem, form)
    found = await list_cancellations(
        session, period, asked.chosen, cursor=asked.cursor, limit=asked.limit
    )
    return page(
        request, "cancellations.html", found=found, typed=days_of(period.period), refusal="", **form
    )
