"""A whole list of money as CSV."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Page
from service.html.list_query import ListQuery
from service.operators.money import lists
from service.operators.money.schemas import DisputeOut, OwedOut, PayoutOut, RefundItem, table
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


async def export(session: AsyncSession, name: str) -> Response:
    """Every row of the list. A text that a table would take for a formula has an apostrophe before it."""
    listing, kind, shown = _LISTS[name]
    items: list[BaseModel] = []
    cursor: str | None = None
    while True:
        found = await listing(session, ListQuery(cursor=cursor, limit=_PAGE))
        items += [shown(each) for each in found.items]
        cursor = found.next_cursor
        if cursor is None:
            break
    return Response(
        "".join(csv_lines(table(kind, items))),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
