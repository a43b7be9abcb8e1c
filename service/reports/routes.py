"""Subscribers and figures, for operators and API keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.reports import article_list, figures, readers, subscriber_list
from service.reports.article_schemas import AnyArticles, ArticleFiguresItem, ArticleFiguresList
from service.reports.csv_text import csv_lines, report_rows
from service.reports.history import reader_history
from service.reports.reader_export import export_answer
from service.reports.registry import FIGURES
from service.reports.report import named, report_on
from service.reports.report_schemas import (
    FigureList,
    FigureOut,
    ReportFormat,
    ReportOut,
    asked_format,
)
from service.reports.schemas import (
    AnyExport,
    AnyReaders,
    AnySubscribers,
    ReaderItem,
    ReaderList,
    Storable,
    SubscriberDetail,
    SubscriberItem,
    SubscriberList,
    SummaryAnswer,
)
from service.rules.in_force import AppInForce
from service.settings import AppSettings

router = APIRouter(prefix="/v1/admin", tags=["reports"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ReadsReports = Annotated[Actor, Depends(requires(Permission.REPORTS_READ))]


@router.get("/subscribers")
async def list_subscribers(
    _: ReadsSubscribers, asked: AnySubscribers, session: ReportSession
) -> SubscriberList:
    """Readers who have or had a subscription, each once, by the newest subscription.

    `query` is part of an e-mail address, or the whole id of a reader, subscription or customer.
    Needs the permission subscribers:read.
    """
    page = await subscriber_list.list_subscribers(
        session, asked.chosen(), cursor=asked.cursor, limit=asked.limit
    )
    return SubscriberList.of(page.map(SubscriberItem.of))


@router.get("/readers")
async def list_readers(
    _: ReadsSubscribers,
    asked: AnyReaders,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> ReaderList:
    """All readers with an address or a purchase, the newest first: subscribers or not.

    `query` is part of an e-mail address, or the whole id of a reader, subscription or customer.
    Needs the permission subscribers:read.
    """
    page = await readers.list_readers(
        session,
        asked.chosen(settings.zone),
        cursor=asked.cursor,
        limit=asked.limit,
        now=clocks.business(),
        zone=settings.zone,
    )
    return ReaderList.of(page.map(ReaderItem.of))


@router.get(
    "/readers/export",
    summary="Export readers",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            }
        }
    },
)
async def export(_: ReadsSubscribers, asked: AnyExport, context: AppContext) -> StreamingResponse:
    """Everybody who fits, as CSV or JSON, with the live subscription or else the latest.

    A text that a table would take for a formula has an apostrophe before it in CSV. Needs the permission
    subscribers:read.
    """
    return export_answer(context, asked.chosen(context.settings.zone), asked.format)


@router.get("/article-figures", summary="List articles with what they did")
async def list_articles(
    _: ReadsReports,
    asked: AnyArticles,
    session: ReportSession,
    settings: AppSettings,
    in_force: AppInForce,
    clocks: AppClocks,
) -> ArticleFiguresList:
    """Articles with reads, walls and sales of a period, the last 30 days where none is asked for.

    Needs the permission reports:read.
    """
    page = await article_list.list_article_figures(
        session, asked.chosen(), asked.asked(settings, clocks.business()),
        rules=in_force.rules.levels, order=asked.sort, cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return ArticleFiguresList.of(page.map(ArticleFiguresItem.of))


@router.get("/subscribers/{reader_id}")
async def read_subscriber(
    _: ReadsSubscribers,
    reader_id: Annotated[str, Path(max_length=100), Storable],
    session: ReportSession,
    clocks: AppClocks,
) -> SubscriberDetail:
    """One reader: subscriptions, access, and the timeline of reads, walls and purchases.

    The timeline is newest first and holds the latest 200 reads and walls. Needs the permission
    subscribers:read.
    """
    return SubscriberDetail.of(await reader_history(session, reader_id, clocks.business()))


@router.get("/reports/summary")
async def read_summary(_: ReadsReports, session: ReportSession, clocks: AppClocks) -> SummaryAnswer:
    """Active subscribers, paused collection, trials and MRR at this moment, each with its definition.

    Needs the permission reports:read.
    """
    return SummaryAnswer.of(await figures.summary(session), clocks.business())


@router.get("/reports")
async def list_figures(_: ReadsReports) -> FigureList:
    """Every figure that there is over time, with its definition, its series and what splits it.

    Needs the permission reports:read.
    """
    return FigureList(items=[FigureOut.of(each) for each in FIGURES])


@router.get(
    "/reports/{slug}",
    response_model=ReportOut,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_report(
    _: ReadsReports,
    slug: Annotated[str, Path(max_length=100), Storable],
    query: Annotated[ReportFormat, Query()],
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
    accept: Annotated[str, Header()] = "",
) -> ReportOut | Response:
    """A figure over a period, in steps, as JSON or as CSV.

    Without a period it is the twelve months up to today. Money is in minor units, one line for each
    currency. Where nothing can be computed, the value is null and the reason stands beside it. Needs
    the permission reports:read.
    """
    counted = await report_on(session, slug, query.asked(settings, clocks.business()))
    report = await named(session, counted, settings)
    if (query.format or asked_format(accept)) == "json":
        return ReportOut.of(report)
    name = f"{slug}_{report.asked.period.first}_{report.asked.period.last}.csv"
    return StreamingResponse(
        csv_lines(report_rows(report)),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"},
    )
