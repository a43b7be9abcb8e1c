"""Rendering: what every template of the back office has at hand, and pages about errors."""

import re
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from service.access.reasons import operators_words
from service.billing.outside import OUTSIDE_WORDS
from service.clock import Clocks, in_utc
from service.html.pages import render
from service.html.redirect import asked_address, see_other
from service.identity.meanwhile import stamp_at
from service.identity.permissions import PERMISSION_WORDS
from service.levels import LEVEL_WORDS
from service.offers.pricing import amount_text, price_text
from service.offers.store import price_of
from service.operators.frame.field_words import refusal_of, words_of
from service.operators.frame.kept_form import TooLong, kept_in
from service.operators.frame.next_page import HOME, sign_in_address
from service.operators.frame.page_without import PageWithout, refused_by, unread_fields
from service.operators.frame.places import navigation
from service.operators.frame.stylesheet import STYLESHEET
from service.operators.frame.visits import SignInNeeded, sent_in, visit_of
from service.problems import CATALOGUE, Problem
from service.reports.standing import (
    CANCEL_REASONS,
    EXPLANATIONS,
    PAYMENT_PROBLEMS,
    STOPS,
    WORDS,
)
from service.running import running_of
from service.settings import Settings
from service.texts import number_of

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LONGEST_FACT = 300
_MOST_TOLD = 10
_SAFE = ("GET", "HEAD")
_TOO_LONG = "Your session has ended, and what you entered is too long to be kept. Go back, copy it, and sign in again."
_TITLES = {
    "body-too-large": "This is too large to be sent",
    "method-not-allowed": "This page can’t be opened directly",
    "not-found": "Page not found",
    "invalid-request": "This can’t be done as it is",
    "malformed-request": "This form can’t be read",
}
"""Where the API's own words are for programs."""


def local_day(at: datetime, zone: ZoneInfo) -> str:
    """`10 Mar 2026`, in the publication's time zone."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def local_minute(at: datetime, zone: ZoneInfo) -> str:
    """`10 Mar 2026, 09:05`, in the publication's time zone."""
    return f"{local_day(at, zone)}, {at.astimezone(zone):%H:%M}"


def page(
    request: Request, template: str, *, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Render `operators/templates/<template>` with the frame of the back office.

    `entered` has what was typed into the form that is refused, by its fields: the form shows it again.
    """
    running = running_of(request)
    zone = running.get(Settings).zone
    now = running.get(Clocks).business()
    visit = visit_of(request)
    return render(
        request,
        f"operators/templates/{template}",
        status_code=status_code,
        visit=visit,
        navigation=navigation(request.url.path, visit.operator.permissions if visit else ()),
        now=now,
        unread=refused_by(request),
        entered=defaultdict(str, sent_in(request)),
        field_words=words_of,
        stylesheet=STYLESHEET.address,
        day=lambda at: local_day(at, zone),
        minute=lambda at: local_minute(at, zone),
        money=amount_text,
        number_of=number_of,
        price=price_text,
        offer_price=lambda offer: price_text(price_of(offer)),
        reason_words=operators_words,
        level_words=LEVEL_WORDS,
        stamp=lambda facts: stamp_at(facts, now),
        fact=lambda value: fact_text(value, zone),
        standing_words=WORDS,
        standing_explanations=EXPLANATIONS,
        stop_words=STOPS,
        payment_problem_words=PAYMENT_PROBLEMS,
        outside_words=OUTSIDE_WORDS,
        permission_words=PERMISSION_WORDS,
        cancel_reason_words=CANCEL_REASONS,
        **context,
    )


def fact_text(value: object, zone: ZoneInfo) -> str:
    """A fact as people read it; empty: it is too much to be read in a line."""
    if value is None or value in ("", [], ()):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and not any(isinstance(each, dict) for each in value):
        value = ", ".join(map(str, value))
    text = str(value) if isinstance(value, str | int) else ""
    if '": ' in text:
        return ""  # a document, such as a prompt of the rules
    if _INSTANT.fullmatch(text):
        # It may be something that was typed, such as a name, and no instant of any calendar.
        with suppress(ValueError):
            return local_minute(in_utc(datetime.fromisoformat(text)), zone)
    return text if len(text) <= _LONGEST_FACT else ""


class PageRoute(APIRoute):
    """A route for browsers: who isn't signed in goes to sign in, and problems are pages.

    A page whose address has a field that can't be read is shown without it, and says so.
    """

    is_page = True

    def page_about(self, request: Request, problem: Problem) -> Response:
        """What the application answers instead of a problem (problems.py)."""
        if self.is_page and request.method in _SAFE and (wrong := unread_fields(request, problem)):
            return PageWithout(request, problem, wrong)
        is_passing = "Retry-After" in problem.headers
        response = page(
            request,
            "problem.html",
            status_code=problem.type.status,
            title=_TITLES.get(problem.slug, CATALOGUE[problem.slug].title),
            detail=problem.detail,
            again=asked_address(request) if request.method in _SAFE and is_passing else None,
            sent=sent_in(request),
            is_form=request.method not in _SAFE,
        )
        response.headers.update(problem.headers)
        return response

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_with_a_page(request: Request) -> Response:
            try:
                return await answer(request)
            except SignInNeeded:
                return await _to_sign_in(request)
            except RequestValidationError as error:
                told = refusal_of(request.url.path, error.errors()[:_MOST_TOLD])
                detail = f"Nothing was changed. {told}"
                if request.method in _SAFE:
                    detail = f"This can't be looked up. {told}"
                errors = [
                    {"field": ".".join(map(str, item["loc"])), "message": item["msg"]}
                    for item in error.errors()
                ]
                raise Problem("invalid-request", detail, errors=errors) from error

        return answer_with_a_page


class FileRoute(PageRoute):
    """A route to a file: of what can't be read nothing is left out, lest the file have more than was asked for."""

    is_page = False


async def _to_sign_in(request: Request) -> Response:
    """The way to the sign-in page; or that page, where something was typed that it keeps, or can't keep."""
    running = running_of(request)
    kept, refusal = "", None
    try:
        kept = await kept_in(request, running.get(Settings), running.get(Clocks).wall())
    except TooLong:
        refusal = _TOO_LONG
    if not kept and refusal is None:
        return see_other(sign_in_address(_wanted(request)))
    return page(
        request, "sign_in.html", status_code=401, next_page=HOME, email="", refusal=refusal, kept=kept
    )  # fmt: skip


def _wanted(request: Request) -> str:
    return asked_address(request) if request.method == "GET" else HOME
