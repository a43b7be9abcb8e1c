"""Rights as a file, and readers for Google's Subscription Linking, over the API."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from service.clock import AppClocks
from service.db.context import AppContext, Context
from service.db.keyset import Page
from service.db.session import ReportSession
from service.db.tables import Right
from service.grants.right_schemas import AnyRights, RightOut, RightQuery
from service.grants.right_store import list_rights
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.rights.lists import linked_readers
from service.operators.rights.schemas import AnyLinking, LinkedReaderOut, LinkedReaders
from service.reports.csv_text import csv_lines

router = APIRouter(tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
_COLUMNS = tuple(RightOut.model_fields)
_AT_ONCE = 100


@router.get(
    "/entitlements.csv",
    summary="Download the rights from elsewhere",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def download(_: ReadsSubscribers, asked: AnyRights, context: AppContext) -> StreamingResponse:
    """The list by the same filters as CSV, all of it. Needs the permission subscribers:read."""
    disposition = {"Content-Disposition": 'attachment; filename="entitlements.csv"'}
    query = asked.model_copy(update={"limit": _AT_ONCE})
    # Before the answer begins: then a cursor that isn't ours can still be refused.
    first = await _page(query, context)
    lines = _lines(query, first, context)
    return StreamingResponse(lines, media_type="text/csv", headers=disposition)


async def _page(query: RightQuery, context: Context) -> Page[Right]:
    async with context.database.slow_reading("reports") as session:
        return await list_rights(session, query, context.clocks.business())


async def _lines(asked: RightQuery, first: Page[Right], context: Context) -> AsyncIterator[str]:
    for line in csv_lines([_COLUMNS]):
        yield line
    page = first
    while True:
        rows = [RightOut.of(row).model_dump(mode="json") for row in page.items]
        for line in csv_lines([row[name] for name in _COLUMNS] for row in rows):
            yield line
        if page.next_cursor is None:
            return
        page = await _page(asked.model_copy(update={"cursor": page.next_cursor}), context)


@router.get("/subscription-linking", summary="List readers for Google's Subscription Linking")
async def read_linking(
    _: ReadsSubscribers, asked: AnyLinking, session: ReportSession, clocks: AppClocks
) -> LinkedReaders:
    """What `UpdateReaderEntitlements` takes for each reader with something that runs.

    Needs the permission subscribers:read.
    """
    now = clocks.business()
    page = await linked_readers(session, cursor=asked.cursor, limit=asked.limit, now=now)
    return LinkedReaders.of(page.map(lambda each: LinkedReaderOut.of(each, asked.publication, now)))
