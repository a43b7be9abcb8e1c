"""The period of a list's form: the days that are shown, and the form as it was sent where it is refused."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from service.db.context import Context
from service.operators.frame.pages import page
from service.problems import Problem
from service.reports.article_schemas import ArticlesQuery, recent
from service.reports.asked import Asked
from service.reports.offer_schemas import PeriodQuery
from service.reports.period import Period


def days_of(period: Period) -> dict[str, str]:
    """What the fields of a period show."""
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


def asked_or_usual(
    asked: PeriodQuery | ArticlesQuery, context: Context
) -> tuple[Asked, dict[str, str], str]:
    """What is asked for, what the period's fields show, and what was wrong: then it is the usual period instead."""
    settings, now = context.settings, context.clocks.business()
    try:
        found = asked.asked(settings, now)
    except Problem as problem:
        typed = {"from": asked.first, "to": asked.last}
        return recent("", "", settings, now), typed, problem.detail
    return found, days_of(found.period), ""


def status_of(refusal: Problem | None, wrong: str) -> int:
    """Of a page that has a form and a period."""
    if refusal is not None:
        return refusal.type.status
    return 422 if wrong else 200


def refused_list(
    request: Request, template: str, problem: Problem, form: Mapping[str, Any]
) -> Response:
    """The list's page with its form as it was sent, and beside it what was wrong.

    Raises `problem` again where it isn't about what was asked for.
    """
    if problem.slug != "invalid-request":
        raise problem
    asked = form["asked"]
    typed = {"from": asked.first, "to": asked.last}
    return page(
        request, template, status_code=422, typed=typed, refusal=problem.detail, found={}, **form
    )
