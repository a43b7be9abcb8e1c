"""The lists behind figures, over the API."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.keyset import Page
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.frame.files import CSV, csv_file
from service.operators.reports.schemas import AnyCounted, CountedItem, CountedLine, CountedList
from service.reports.counted_list import checked, list_counted, listed_figure
from service.reports.schemas import Storable
from service.settings import AppSettings

router = APIRouter(prefix="/reports", tags=["reports"])

_AT_FIRST, _AT_ONCE = 100, 1_000
"""Rows of a file's first part, which is waited for, and of the others: each counts the period anew."""
ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
Slug = Annotated[str, Path(max_length=100), Storable]


@router.get("/{slug}/rows", summary="List what a figure counts")
async def read_rows(
    slug: Slug,
    _: ReadsSubscribers,
    asked: AnyCounted,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> CountedList:
    """A row for each reader, subscription or payment that one of the figure's series counts in the period.

    There are as many as the figure says for the same days and filters. Needs the permission subscribers:read.
    """
    figure, period = listed_figure(slug), asked.asked(settings, clocks.business())
    period = await checked(session, figure, period)
    page = await list_counted(
        session, figure, period, asked.series, cursor=asked.cursor, limit=asked.limit
    )
    return CountedList.of(page.map(CountedItem.of))


@router.get(
    "/{slug}/rows.csv", summary="Download what a figure counts", response_class=Response,
    responses=CSV,
)  # fmt: skip
async def download_rows(
    slug: Slug, _: ReadsSubscribers, asked: AnyCounted, context: AppContext
) -> Response:
    """The list by the same filters as CSV, all of it, with the version of the figure's definition. Needs the permission
    subscribers:read.
    """
    figure, period = listed_figure(slug), asked.asked(context.settings, context.clocks.business())

    async def some(session: AsyncSession, cursor: str | None, limit: int) -> Page[CountedLine]:
        page = await list_counted(session, figure, period, asked.series, cursor=cursor, limit=limit)
        return page.map(partial(CountedLine.by, figure))

    async with context.database.slow_reading("reports") as session:
        period = await checked(session, figure, period)
        first = await some(session, None, _AT_FIRST)
    name = f"{slug}-rows_{period.period.first}_{period.period.last}"
    return csv_file(context, name, CountedLine, some, at_once=_AT_ONCE, first=first)
