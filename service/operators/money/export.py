"""A whole list of money as CSV: streamed by pages, so that many rows take no more memory than few."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Page
from service.html.list_query import ListQuery
from service.operators.money import lists
from service.operators.money.schemas import DisputeOut, OwedOut, PayoutOut, RefundItem, header, rows
from service.reports.csv_text import csv_lines

Exported = Literal["owing", "refunds", "disputes"]
"""What names readers; payouts don't."""
CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}
_Listing = Callable[[AsyncSession, ListQuery], Awaitable[Page[Any]]]
_LISTS: Mapping[str, tuple[_Listing, type[BaseModel], Callable[[Any], BaseModel]]] = {
    "owing": (lists.list_owing, OwedOut, OwedOut.of),
    "refunds": (lists.list_refunds, RefundItem, RefundItem.of),
    "disputes": (lists.list_disputes, DisputeOut, DisputeOut.of),
    "payouts": (lists.list_payouts, PayoutOut, PayoutOut.of),
}
_PAGE = 100


def export(context: Context, name: str) -> StreamingResponse:
    """Every row of the list as a download. A text that a table would take for a formula has an apostrophe
    before it.
    """
    return StreamingResponse(
        _parts(context, name),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


async def _parts(context: Context, name: str) -> AsyncIterator[str]:
    """The header, then the rows by pages, each a transaction of its own: no snapshot is held for minutes."""
    listing, kind, shown = _LISTS[name]
    yield "".join(csv_lines([header(kind)]))
    cursor: str | None = None
    while True:
        async with context.database.slow_reading("reports") as session:
            found = await listing(session, ListQuery(cursor=cursor, limit=_PAGE))
        yield "".join(csv_lines(rows(kind, [shown(each) for each in found.items])))
        if (cursor := found.next_cursor) is None:
            return
