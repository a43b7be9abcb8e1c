"""The page of who joined, left or changed in a period: the rows behind a bar of MRR's movements."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.session import ReportSession
from service.db.tables import MovementRow
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.periods import days_of, refused_list
from service.operators.frame.visits import Visit, page_requires
from service.operators.movements.schemas import AnyMovements
from service.problems import Problem
from service.reports import choices
from service.reports.dimension_words import WORDS as DIMENSION_WORDS
from service.reports.movement_list import FILTERS, list_movements
from service.reports.registry import BY_SLUG
from service.settings import AppSettings

router = APIRouter(prefix="/movements", route_class=PageRoute, include_in_schema=False)
WORDS = {
    "joined_or_left": "Joined or churned",
    "churn": "Churned",
    "new": "Joined",
    "reactivation": "Reactivated",
    "expansion": "Upgraded",
    "contraction": "Downgraded",
    "churn_voluntary": "Churned (voluntary)",
    "churn_involuntary": "Churned (payment failed)",
    "pause": "Paused",
    "resume": "Resumed",
}
CAUSE_WORDS = {each.key: each.words for each in BY_SLUG["reasons"].series}
_SAID_BY_KIND = {"churn_voluntary": "voluntary", "churn_involuntary": "payment_failed"}

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]


def why_left(row: MovementRow) -> str:
    """Why somebody left, in words, where the kind doesn't say it; empty for what is no leaving."""
    usual = _SAID_BY_KIND.get(row.kind)
    if usual is None or row.cause == usual:
        return ""
    return CAUSE_WORDS.get(row.cause, CAUSE_WORDS["other"])


@router.get("")
async def show_movements(
    request: Request,
    _: SeesSubscribers,
    asked: AnyMovements,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> Response:
    """Those of the period, the newest first; each leads to the reader."""
    form: dict[str, Any] = {
        "asked": asked, "words": WORDS, "causes": CAUSE_WORDS, "filter_words": DIMENSION_WORDS,
        "why_left": why_left, "choices": await choices.known_values(session, FILTERS), "value_words": choices.VALUE_WORDS,
    }  # fmt: skip
    try:
        period = asked.asked(settings, clocks.business())
        await choices.refuse_unknown(session, period.chosen)
    except Problem as problem:
        return refused_list(request, "movements.html", problem, form)
    found = await list_movements(
        session, period, asked.kind, cause=asked.cause or "", cursor=asked.cursor, limit=asked.limit
    )
    return page(
        request, "movements.html", found=found, typed=days_of(period.period), refusal="", **form
    )
