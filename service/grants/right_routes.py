"""Rights from elsewhere, sent by other systems of the newsroom."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession, WriteSession
from service.grants.right_schemas import (
    AnyRights,
    Reference,
    RightIn,
    RightList,
    RightOut,
    Source,
)
from service.grants.right_store import list_rights
from service.grants.rights import end_right, find_right, put_right
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission

router = APIRouter(prefix="/v1/admin/entitlements", tags=["grants"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.put("/{source}/{reference}", summary="Store a right from elsewhere")
async def put(
    source: Source,
    reference: Reference,
    body: RightIn,
    actor: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
) -> RightOut:
    """What a print subscription, an app store or another system gives a reader; repeating changes nothing.

    Needs the permission subscribers:write.
    """
    row = await put_right(session, context, source, body.sent(reference), actor=actor.label)
    return RightOut.of(row)


@router.get("/{source}/{reference}", summary="Read a right from elsewhere")
async def read(
    source: Source, reference: Reference, _: ReadsSubscribers, session: ReportSession
) -> RightOut:
    """The right as it was last sent, and whose it is. Needs the permission subscribers:read."""
    return RightOut.of(await find_right(session, source, reference))


@router.delete("/{source}/{reference}", summary="End a right from elsewhere")
async def delete(
    source: Source,
    reference: Reference,
    actor: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
) -> RightOut:
    """End it now; repeating changes nothing. Needs the permission subscribers:write."""
    row = await end_right(session, context, source, reference, actor=actor.label)
    return RightOut.of(row)


@router.get("", summary="List rights from elsewhere")
async def read_all(
    _: ReadsSubscribers, asked: AnyRights, session: ReportSession, clocks: AppClocks
) -> RightList:
    """The newest first. Needs the permission subscribers:read."""
    return RightList.of((await list_rights(session, asked, clocks.business())).map(RightOut.of))
