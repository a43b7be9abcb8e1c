"""What readers say when they cancel, over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.clock import AppClocks
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.cancellations.schemas import (
    AnyCancellations,
    CancellationItem,
    CancellationList,
)
from service.reports.cancellation_list import list_cancellations
from service.reports.choices import refuse_unknown
from service.settings import AppSettings

router = APIRouter(tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]


@router.get("/cancellations", summary="List what readers say when they cancel")
async def read_cancellations(
    _: ReadsSubscribers,
    asked: AnyCancellations,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> CancellationList:
    """Subscriptions that their readers cancelled in the period, the last 30 days where none is asked for.

    Needs the permission subscribers:read.
    """
    await refuse_unknown(session, asked.filtered)
    page = await list_cancellations(
        session, asked.asked(settings, clocks.business()), asked.chosen,
        cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return CancellationList.of(page.map(CancellationItem.of))
