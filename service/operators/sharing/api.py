"""Accounts that several people may share, over the API."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from service.bodies import ListOut
from service.db.context import AppContext
from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.reports.sharing_list import AnySharing, Shared, list_sharing

router = APIRouter(tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]


class SharedItem(BaseModel):
    """`networks` is the most of one day, `devices` those of all days."""

    reader_id: str
    email: str | None
    networks: int
    devices: int

    @classmethod
    def of(cls, shared: Shared) -> Self:
        return cls.model_validate(shared, from_attributes=True)


class SharedList(ListOut[SharedItem]):
    """Readers, the most networks first."""


@router.get("/sharing", summary="List accounts that may be shared")
async def read_sharing(
    _: ReadsSubscribers, asked: AnySharing, session: ReportSession, context: AppContext
) -> SharedList:
    """Who read on unusually many devices, or from unusually many networks on a day. Nothing follows from it.

    Needs the permission subscribers:read.
    """
    today = context.clocks.business().astimezone(context.settings.zone).date()
    return SharedList.of((await list_sharing(session, asked, today)).map(SharedItem.of))
