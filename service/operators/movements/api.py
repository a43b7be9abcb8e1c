"""The rows behind MRR's movements, over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.keyset import Page
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.frame.files import CSV, csv_file
from service.operators.movements.schemas import AnyMovements, MovementItem, MovementList
from service.reports.choices import refuse_unknown
from service.reports.movement_list import list_movements
from service.settings import AppSettings

router = APIRouter(tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]


@router.get("/movements", summary="List who moved MRR")
async def read_movements(
    _: ReadsSubscribers,
    asked: AnyMovements,
    session: ReportSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> MovementList:
    """Who joined, left or changed in the period, the last 30 days where none is asked for, and why.

    Needs the permission subscribers:read.
    """
    period = asked.asked(settings, clocks.business())
    await refuse_unknown(session, period.chosen)
    page = await list_movements(
        session, period, asked.kind, cause=asked.cause or "",
        cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return MovementList.of(page.map(MovementItem.of))


@router.get(
    "/movements.csv", summary="Download who moved MRR", response_class=Response, responses=CSV
)
async def download_movements(
    _: ReadsSubscribers, asked: AnyMovements, context: AppContext
) -> Response:
    """The list by the same filters as CSV, all of it. Needs the permission subscribers:read."""
    period = asked.asked(context.settings, context.clocks.business())
    async with context.database.slow_reading("reports") as session:
        await refuse_unknown(session, period.chosen)

    async def some(session: AsyncSession, cursor: str | None, limit: int) -> Page[MovementItem]:
        page = await list_movements(
            session, period, asked.kind, cause=asked.cause or "", cursor=cursor, limit=limit
        )
        return page.map(MovementItem.of)

    name = f"movements_{period.period.first}_{period.period.last}"
    return csv_file(context, name, MovementItem, some)
