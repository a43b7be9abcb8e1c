"""The rows behind MRR's movements, over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.clock import AppClocks
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.movements.schemas import AnyMovements, MovementItem, MovementList
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
    page = await list_movements(
        session, asked.asked(settings, clocks.business()), asked.kind,
        cursor=asked.cursor, limit=asked.limit,
    )  # fmt: skip
    return MovementList.of(page.map(MovementItem.of))
