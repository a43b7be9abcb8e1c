"""The back office's pages. They work without JavaScript; none of them is part of the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.db.context import AppContext
from service.identity.declarations import PUBLIC
from service.identity.permissions import Permission
from service.operators import overview
from service.operators.account import routes as account
from service.operators.articles import routes as articles
from service.operators.attention import needs
from service.operators.cancellations import routes as cancellations
from service.operators.crawlers import routes as crawlers
from service.operators.decisions import routes as decisions
from service.operators.experiments import routes as experiments
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.stylesheet import STYLESHEET
from service.operators.frame.visits import Visit, page_requires
from service.operators.gifts import routes as gifts
from service.operators.gifts import subscription_routes as gift_subscriptions
from service.operators.institutions import routes as institutions
from service.operators.money import routes as money
from service.operators.movements import routes as movements
from service.operators.offers import routes as offers
from service.operators.rates import routes as rates
from service.operators.readers import routes as readers
from service.operators.reports import board, shown
from service.operators.reports import routes as reports
from service.operators.reports import rows_routes as report_rows
from service.operators.reports.board import AnyOverview
from service.operators.rights import routes as rights
from service.operators.rules import routes as rules
from service.operators.seats import routes as seats
from service.operators.settings import routes as settings
from service.operators.sharing import routes as sharing
from service.operators.sign_in import routes as sign_in
from service.operators.staff import routes as staff
from service.operators.stripe_figures import routes as stripe_figures
from service.operators.subscribers import care_routes as care
from service.operators.subscribers import routes as subscribers
from service.operators.system import import_routes as stripe_import
from service.operators.system import routes as system
from service.operators.unbound import routes as unbound
from service.operators.webhooks import routes as webhooks
from service.problems import Problem
from service.reports import choices, figures
from service.reports.channel_facts import AppChannelWatch
from service.reports.dimension_words import WORDS
from service.reports.in_time import in_time_and_turn
from service.running import running_of

router = APIRouter(prefix="/admin", route_class=PageRoute, include_in_schema=False)

SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]


@router.get("/static/admin.css", dependencies=[PUBLIC])
async def read_stylesheet(request: Request) -> Response:
    """The stylesheet of these pages. Public."""
    return STYLESHEET.answer(request)


@router.get("")
async def show_overview(
    request: Request,
    visit: SeesFigures,
    asked: AnyOverview,
    context: AppContext,
    watch: AppChannelWatch,
) -> Response:
    """What needs somebody, the figures of this moment, the channels, and the subscribers for those who may see readers.

    Of the list's further pages the list alone.
    """
    database, now = context.database, context.clocks.business()
    async with database.slow_reading("reports") as session:
        found = await overview.listed(session, asked, visit)
        if asked.cursor:
            return page(request, "overview.html", asked=asked, **found)
        found["needs"] = await needs(session, now, visit.operator.permissions)
        found["choices"] = await choices.known_values(session, board.FILTERS)
    return page(
        request,
        "overview.html",
        **found,
        asked=asked,
        figures=overview.figures(await in_time_and_turn(database, "summary", figures.summary)),
        channels=await watch.look(running_of(request)),
        addresses=overview.addresses(visit.operator.permissions),
        cards=await board.cards(
            database,
            asked,
            context.settings,
            now,
            sees_readers=Permission.SUBSCRIBERS_READ in visit.operator.permissions,
        ),
        spans=board.SPANS,
        words=WORDS,
        value_words=choices.VALUE_WORDS,
        tick=shown.tick_text,
    )


for subject in (
    sign_in,
    articles,
    decisions,
    cancellations,
    money,
    offers,
    rights,
    movements,
    rates,
    readers,
    institutions,
    gifts,
    sharing,
    gift_subscriptions,
    seats,
    reports,
    report_rows,
    stripe_figures,
    subscribers,
    care,
    unbound,
    account,
    rules,
    crawlers,
    experiments,
    staff,
    webhooks,
    stripe_import,
    system,
    settings,
):
    router.include_router(subject.router)


@router.get("/{unknown:path}")
async def show_nothing(_: SeesFigures) -> Response:
    """Any other address: told only to those who are signed in."""
    raise Problem("not-found", "Page not found. Start from Today.")
