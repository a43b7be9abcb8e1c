"""A whole list as CSV: streamed by pages, so that many rows take no more memory than few."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Page
from service.reports.csv_text import csv_lines

CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}
_AT_ONCE = 100
_Listing = Callable[[AsyncSession, str | None, int], Awaitable[Page[Any]]]
"""The page of the list after a cursor; the number is the most rows."""


def csv_file(
    context: Context,
    name: str,
    kind: type[BaseModel],
    listing: _Listing,
    *,
    at_once: int = _AT_ONCE,
    first: Page[Any] | None = None,
) -> StreamingResponse:
    """Every row of the list as a download. A text that a table would take for a formula has an apostrophe
    before it. `at_once` are the rows of a page: many where each page is counted anew. `first` is the first page, where
    the caller had to find it to know that there is such a list.
    """
    return StreamingResponse(
        _parts(context, tuple(kind.model_fields), listing, at_once, first),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


async def _parts(
    context: Context,
    columns: tuple[str, ...],
    listing: _Listing,
    at_once: int,
    first: Page[Any] | None,
) -> AsyncIterator[str]:
    """The header, then the rows by pages, each a transaction of its own: no snapshot is held for minutes."""
    yield "".join(csv_lines([columns]))
    cursor: str | None = None
    found = first
    while True:
        if found is None:
            async with context.database.slow_reading("reports") as session:
                found = await listing(session, cursor, at_once)
        yield await asyncio.to_thread(_lines, columns, found.items)
        if (cursor := found.next_cursor) is None:
            return
        found = None


def _lines(columns: tuple[str, ...], items: Sequence[BaseModel]) -> str:
    dumped = [each.model_dump(mode="json") for each in items]
    rows = [["" if each[name] is None else each[name] for name in columns] for each in dumped]
    return "".join(csv_lines(rows))
