"""Rendering: the frame of every newspaper page, and problems as pages that say what to do."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from service.access.words import long_day
from service.clock import Clocks
from service.html.list_query import address
from service.html.pages import render
from service.html.redirect import asked_address
from service.identity.cookies import read_cookie
from service.limits.addresses import said_by_proxy
from service.offers.choice import currencies_of
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import running_of
from service.settings import Settings
from service.web.cards import cards_in
from service.web.frame import Frame
from service.web.landing import landing_of
from service.web.static_files import SCRIPT, STYLESHEET
from service.web.words import full_day, joined

GET = ["GET", "HEAD"]


def page(
    request: Request, template: str, *, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Render a template in the newspaper's frame. Private, as all these pages.

    `template` is a name in `web/templates`, or a path below `service/`.
    """
    running = running_of(request)
    settings, frame = running.get(Settings), running.get(Frame)
    now = running.get(Clocks).business()
    return render(
        request,
        template if "/" in template else f"web/templates/{template}",
        status_code=status_code,
        bar=frame.bar(request) if frame.bar is not None else None,
        imprint=frame.imprint,
        landing=landing_of(request),
        # Only the words of a link depend on it, so nobody is asked whether the session is alive.
        seems_signed_in=read_cookie(request, "session", settings) is not None,
        in_force=running.get(RuleBook).in_force.settings,
        sells_gifts=_sells_gifts(running.get(OnSale)),
        stylesheet=STYLESHEET.address,
        script=SCRIPT.address,
        today=full_day(now, settings.zone),
        day=lambda at: long_day(at, settings.zone),
        joined=joined,
        card=cards_in(settings.zone),
        section_address=section_address,
        **context,
    )


def _sells_gifts(on_sale: OnSale) -> bool:
    sold = on_sale.last_seen
    return sold is not None and any(each.kind == "gift" for each in sold.offers)


def currency_of(request: Request) -> str:
    """The currency that the page's address asks for, such as `USD`, or nothing."""
    return request.query_params.get("currency", "")


def currencies_wanted(request: Request) -> list[str]:
    """What to show prices in, the first first: as the reader asked, then as the country pays."""
    settings, day = running_of(request).get(Settings), running_of(request).get(Clocks).business()
    header = settings.country_header
    country = said_by_proxy(request, header, settings) if header else ""
    return [currency_of(request).upper(), *currencies_of(country, day.date())]


def section_address(section: str, cursor: str | None = None) -> str:
    return address("/", section=section, cursor=cursor)


@dataclass(frozen=True)
class Advice:
    """What a reader is told about a problem, and where to go on."""

    title: str
    text: str
    link: str = "/"
    link_text: str = "Go to the front page"


_ADVICE = {
    "article-not-found": Advice(
        "Article not found",
        "Check the address. The article may have been withdrawn.",
    ),
    "offer-not-found": Advice(
        "This offer is no longer available",
        "You haven’t been charged. Choose another offer.",
        "/account",
        "See the offers",
    ),
    "invalid-return-address": Advice(
        "We can’t return you to that page",
        "Go to the article you want to read and start from there.",
    ),
    "selling-is-off": Advice(
        "Subscriptions aren’t available at the moment",
        "Payments aren’t set up yet. Everybody can read free articles.",
    ),
    "stripe-unavailable": Advice(
        "Our payment provider isn’t responding",
        "You haven’t been charged. Go back and try again in a few seconds.",
    ),
    "purchase-refused": Advice(
        "This offer isn’t available right now",
        "You haven’t been charged. Choose another offer or contact us.",
        "/account",
        "See the offers",
    ),
    "no-subscription": Advice(
        "There is nothing to manage yet",
        "Payments and invoices appear here once you have subscribed.",
        "/account",
        "Go to your account",
    ),
    "sign-in-is-off": Advice(
        "Sign-in by e-mail is unavailable",
        "Contact us for a sign-in link instead.",
        "/account",
        "How access works",
    ),
    "unauthenticated": Advice(
        "You aren’t signed in",
        "Sign in to see this page. Your session may have ended.",
        "/account",
        "Sign in",
    ),
    "method-not-allowed": Advice(
        "This page can’t be opened directly",
        "Go to the article or to your account and start from there.",
    ),
    "sign-in-again": Advice(
        "Sign in again",
        "For your security, sign in again before you continue. We’ll e-mail you a link and a "
        "code. Then repeat what you were about to do.",
        "/account/sign-in",
        "Sign in",
    ),
    "invalid-request": Advice(
        "Invalid request", "Part of the address or the form is missing or invalid."
    ),
    "internal-error": Advice(
        "Something went wrong",
        "Go back and try again. If it keeps happening, contact us.",
    ),
    "database-unavailable": Advice(
        "Our articles are unavailable at the moment",
        "Try again in a few seconds.",
    ),
}


def problem_page(request: Request, problem: Problem, link: str | None = None) -> HTMLResponse:
    """The page about a problem. `link` is a checked address of ours to go back to."""
    known = _ADVICE.get(problem.slug)
    advice = known or Advice(problem.type.title, problem.detail)
    if problem.slug == "database-unavailable" and request.method in GET:
        advice = replace(advice, link=asked_address(request), link_text="Try again")
    response = page(
        request,
        "message.html",
        status_code=problem.type.status,
        title=advice.title,
        text=advice.text,
        link=link or advice.link,
        link_text="Go back" if link else advice.link_text,
    )
    response.headers.update(problem.headers)
    return response


class PageRoute(APIRoute):
    """A route for browsers: problems are pages, and HEAD is a GET without a body."""

    def page_about(self, request: Request, problem: Problem) -> Response:
        """What the application answers instead of a problem (problems.py)."""
        return problem_page(request, problem)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_with_a_page(request: Request) -> Response:
            try:
                response = await answer(request)
            except RequestValidationError as error:
                raise Problem("invalid-request") from error
            if request.method == "HEAD":
                response.body = b""
            return response

        return answer_with_a_page
