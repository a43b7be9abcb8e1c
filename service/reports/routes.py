"""Subscribers and figures, for operators and API keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.clock import AppClocks
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.reports import figures, queries, readers
from service.reports.history import reader_history
from service.reports.schemas import (
    AnyMovements,
    AnyReaders,
    AnySubscribers,
    MovementsAnswer,
    ReaderItem,
    ReaderList,
    Storable,
    SubscriberDetail,
    SubscriberItem,
    SubscriberList,
    SummaryAnswer,
)

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
    page = await queries.list_subscribers(
        session, asked.chosen(), cursor=asked.cursor, limit=asked.limit
    )
    return SubscriberList.of(page.map(SubscriberItem.of))


@router.get("/readers")
async def list_readers(
    _: ReadsSubscribers, asked: AnyReaders, session: ReportSession, clocks: AppClocks
) -> ReaderList:
    """Everybody known by an address or a purchase, the newest first: subscribers or not.

    `query` is part of an e-mail address, or the whole id of a reader, subscription or customer.
    Needs the permission subscribers:read.
    """
    page = await readers.list_readers(
        session, asked.chosen(), cursor=asked.cursor, limit=asked.limit, now=clocks.business()
    )
    return ReaderList.of(page.map(ReaderItem.of))


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


@router.get("/reports/mrr-movements")
async def read_mrr_movements(
    _: ReadsReports, asked: AnyMovements, session: ReportSession
) -> MovementsAnswer:
    """What MRR has gained and lost from `since` on and before `until`, by kind and currency.

    Needs the permission reports:read.
    """
    sums = await figures.mrr_movements(session, since=asked.since, until=asked.until)
    return MovementsAnswer.of(asked, sums)
