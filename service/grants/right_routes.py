"""Rights from elsewhere, sent by other systems of the newsroom."""

from asyncio import to_thread
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReportSession
from service.db.tables import Right
from service.grants.csv_file import ListRefused
from service.grants.right_lists import read_list, store_list
from service.grants.right_schemas import (
    AnyRights,
    Reference,
    RightFile,
    RightIn,
    RightList,
    RightOut,
    RightsImported,
    RightStored,
    Source,
    StoredReference,
)
from service.grants.right_store import list_rights
from service.grants.rights import end_right, facts_of, find_right, put_right
from service.grants.shown_lists import ListChanged
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch, etag_of
from service.identity.permissions import Permission
from service.problems import Problem
from service.rules.known import plan_warnings

_MOST_ERRORS = 100
router = APIRouter(prefix="/v1/admin/entitlements", tags=["grants"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.put("/{source}/{reference}", summary="Store a right from elsewhere")
async def put(
    source: Source,
    reference: Reference,
    body: RightIn,
    actor: ChangesSubscribers,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> RightStored:
    """What a print subscription, an app store or another system gives a reader; repeating changes nothing.

    Needs the permission subscribers:write.
    """

    async def store(session: AsyncSession) -> tuple[Right, list[str]]:
        sent = body.sent(reference)
        row = await put_right(session, context, source, sent, actor=actor.label, seen=if_match)
        return row, await plan_warnings(session, [row.plan])

    row, warnings = await context.database.past_deadlocks(store)
    response.headers["ETag"] = etag_of(facts_of(row))
    return RightStored(**dict(RightOut.of(row)), warnings=warnings)


@router.get("/{source}/{reference}", summary="Read a right from elsewhere")
async def read(
    source: Source,
    reference: StoredReference,
    _: ReadsSubscribers,
    session: ReportSession,
    response: Response,
) -> RightOut:
    """The right as it was last sent, and whose it is. The ETag goes into `If-Match`.

    Needs the permission subscribers:read.
    """
    row = await find_right(session, source, reference)
    response.headers["ETag"] = etag_of(facts_of(row))
    return RightOut.of(row)


@router.delete("/{source}/{reference}", summary="End a right from elsewhere")
async def delete(
    source: Source,
    reference: StoredReference,
    actor: ChangesSubscribers,
    context: AppContext,
    if_match: IfMatch = None,
) -> RightOut:
    """End it now; repeating changes nothing. Needs the permission subscribers:write."""
    row = await context.database.past_deadlocks(
        lambda session: end_right(
            session, context, source, reference, actor=actor.label, seen=if_match
        )
    )
    return RightOut.of(row)


@router.post("/{source}/import", summary="Import a source's list of rights")
async def import_list(
    source: Source,
    body: RightFile,
    actor: ChangesSubscribers,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> RightsImported:
    """Make the source's rights those of the CSV: what it no longer has ends now. One bad line, and nothing is stored.

    422 `invalid-request` names the bad lines. A dry run's ETag goes into `If-Match`: 412 `changed-meanwhile` where the
    list would do something else by now. Needs the permission subscribers:write.
    """
    try:
        rows = await to_thread(read_list, body.csv.encode(), context.settings.zone)
        found = await store_list(
            context, source, rows, actor=actor.label, dry_run=body.dry_run,
            most_ended_percent=body.most_ended_percent, seen=if_match,
        )  # fmt: skip
    except ListChanged as changed:
        raise changed.problem() from changed
    except ListRefused as refused:
        errors = [{"field": "body.csv", "message": each} for each in refused.problems]
        raise Problem("invalid-request", errors=errors[:_MOST_ERRORS]) from refused
    if body.dry_run:
        response.headers["ETag"] = f'"{found.stamp}"'
    return RightsImported(**asdict(found), dry_run=body.dry_run)


@router.get("", summary="List rights from elsewhere")
async def read_all(
    _: ReadsSubscribers, asked: AnyRights, session: ReportSession, clocks: AppClocks
) -> RightList:
    """The newest first. Needs the permission subscribers:read."""
    return RightList.of((await list_rights(session, asked, clocks.business())).map(RightOut.of))
