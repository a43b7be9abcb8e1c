"""The back office's pages. They work without JavaScript; none of them is part of the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession
from service.identity.declarations import PUBLIC
from service.identity.permissions import Permission
from service.operators import overview
from service.operators.account import routes as account
from service.operators.articles import routes as articles
from service.operators.attention import needs
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.stylesheet import STYLESHEET
from service.operators.frame.visits import Visit, page_requires
from service.operators.offers import routes as offers
from service.operators.reports import routes as reports
from service.operators.rights import routes as rights
from service.operators.rules import routes as rules
from service.operators.settings import routes as settings
from service.operators.sign_in import routes as sign_in
from service.operators.staff import routes as staff
from service.operators.subscribers import routes as subscribers
from service.operators.system import routes as system
from service.operators.unbound import routes as unbound
from service.operators.webhooks import routes as webhooks
from service.problems import Problem
from service.reports import figures, readers, subscriber_list
from service.reports.channel_facts import AppChannelWatch
from service.reports.reader_export import export_answer
from service.reports.registry import FIGURES
from service.reports.schemas import AnyExport, AnyReaders, AnySubscribers
from service.running import running_of
from service.settings import AppSettings

router = APIRouter(prefix="/admin", route_class=PageRoute, include_in_schema=False)

SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
SeesReaders = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]


@router.get("/static/admin.css", dependencies=[PUBLIC])
async def read_stylesheet(request: Request) -> Response:
    """The stylesheet of these pages. Public."""
    return STYLESHEET.answer(request)


@router.get("")
async def show_overview(
    request: Request,
    visit: SeesFigures,
    asked: AnySubscribers,
    session: ReportSession,
    watch: AppChannelWatch,
    clocks: AppClocks,
) -> Response:
    """What needs somebody, the figures of this moment, the channels, and the subscribers for those who may see readers."""
    return page(
        request,
        "overview.html",
        figures=overview.figures(await figures.summary(session)),
        subscribers=await overview.subscribers(session, asked, visit),
        plans=await subscriber_list.plans(session),
        asked=asked,
        channels=await watch.look(running_of(request)),
        needs=await needs(session, clocks.business(), visit.operator.permissions),
        reports={each.meaning: each.slug for each in FIGURES},
    )


@router.get("/readers")
async def show_readers(
    request: Request,
    _: SeesReaders,
    asked: AnyReaders,
    settings: AppSettings,
    session: ReportSession,
    clocks: AppClocks,
) -> Response:
    """Everybody, by what they have or had."""
    found = await readers.list_readers(
        session,
        asked.chosen(settings.zone),
        cursor=asked.cursor,
        limit=asked.limit,
        now=clocks.business(),
    )
    plans = [plan for plan in await subscriber_list.plans(session) if plan]
    return page(
        request, "readers.html", readers=found, asked=asked, kinds=readers.KINDS, plans=plans
    )


@router.get("/readers/export")
async def export_readers(_: SeesReaders, asked: AnyExport, context: AppContext) -> Response:
    """The list that is shown, as a file."""
    return export_answer(context, asked.chosen(context.settings.zone), asked.format)


for subject in (
    sign_in,
    articles,
    offers,
    rights,
    reports,
    subscribers,
    unbound,
    account,
    rules,
    staff,
    webhooks,
    system,
    settings,
):
    router.include_router(subject.router)


@router.get("/{unknown:path}")
async def show_nothing(_: SeesFigures) -> Response:
    """Any other address: told only to those who are signed in."""
    raise Problem("not-found", "There is no such page. Start from the first page.")
