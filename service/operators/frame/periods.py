"""The period of a list's form: the days that are shown, and the form as it was sent where it is refused."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from service.operators.frame.pages import page
from service.problems import Problem
from service.reports.period import Period


def days_of(period: Period) -> dict[str, str]:
    """What the fields of a period show."""
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


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
