"""A whole list of money as a file."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Page
from service.html.list_query import ListQuery
from service.operators.frame.files import csv_file
from service.operators.money import lists
from service.operators.money.schemas import DisputeOut, OwedOut, PayoutOut, RefundItem

Exported = Literal["owing", "refunds", "disputes"]
"""What names readers; payouts don't."""
_Listing = Callable[[AsyncSession, ListQuery], Awaitable[Page[Any]]]
_LISTS: Mapping[str, tuple[_Listing, type[BaseModel], Callable[[Any], BaseModel]]] = {
    "owing": (lists.list_owing, OwedOut, OwedOut.of),
    "refunds": (lists.list_refunds, RefundItem, RefundItem.of),
    "disputes": (lists.list_disputes, DisputeOut, DisputeOut.of),
    "payouts": (lists.list_payouts, PayoutOut, PayoutOut.of),
}


def export(context: Context, name: str) -> StreamingResponse:
    """Every row of the list as a download."""
    listing, kind, shown = _LISTS[name]

    async def some(session: AsyncSession, cursor: str | None, limit: int) -> Page[Any]:
        return (await listing(session, ListQuery(cursor=cursor, limit=limit))).map(shown)

    return csv_file(context, name, kind, some)
