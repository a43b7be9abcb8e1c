"""All readers of a list in one file: streamed by pages, so that a million rows take no more memory than one."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

from fastapi.responses import StreamingResponse

from service.db.context import Context
from service.finance.owing import owed_by
from service.reports.bought import SubscriptionFacts
from service.reports.csv_text import Value, csv_lines
from service.reports.readers import ReaderFacts, ReaderFilter, list_readers
from service.reports.standing import WORDS
from service.reports.subscriber_list import first_subscriptions

ExportFormat = Literal["csv", "json"]
HEADER = (
    "reader_id", "email", "email_verified", "first_seen", "kinds", "subscription", "plan", "offer", "status",
    "since", "until", "amount", "currency", "interval", "interval_count", "open_amount", "owed",
    "offer_id",
)  # fmt: skip
"""`owed` is all that they owe after failed charges, as `900 EUR, 450 USD`; `open_amount` is what of it is in the
subscription's currency.
"""
PAGE = 1000
"""Readers that are in memory at a time."""


def export_answer(context: Context, chosen: ReaderFilter, form: ExportFormat) -> StreamingResponse:
    """The export as a download."""
    day = context.clocks.business().astimezone(context.settings.zone).date()
    return StreamingResponse(
        export_readers(context, chosen, form),
        media_type="text/csv; charset=utf-8" if form == "csv" else "application/json",
        headers={"Content-Disposition": f'attachment; filename="readers_{day}.{form}"'},
    )


async def export_readers(
    context: Context, chosen: ReaderFilter, form: ExportFormat
) -> AsyncIterator[str]:
    """The file in parts; who comes or goes while it is made may be in it or not.

    Each page is a transaction of its own: no snapshot is held for minutes. A text that a table would take for a
    formula is marked as in csv_text.py. Times are RFC 3339, money is in minor units.
    """
    rows = _rows(context, chosen)
    if form == "csv":
        yield "".join(csv_lines([HEADER]))
        async for some in rows:
            yield "".join(csv_lines(some))
        return
    between = '{"items": ['
    async for some in rows:
        for row in some:
            yield between + json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False)
            between = ",\n"
    yield "]}" if between == ",\n" else '{"items": []}'


async def _rows(context: Context, chosen: ReaderFilter) -> AsyncIterator[list[tuple[Value, ...]]]:
    now, cursor = context.clocks.business(), None
    while True:
        async with context.database.slow_reading("reports") as session:
            page = await list_readers(
                session, chosen, cursor=cursor, limit=PAGE, now=now, zone=context.settings.zone
            )
            ids = [each.reader_id for each in page.items]
            bought, owed = await first_subscriptions(session, ids), await owed_by(session, ids)
        yield [
            _row(each, bought.get(each.reader_id), owed.get(each.reader_id, []))
            for each in page.items
        ]
        if (cursor := page.next_cursor) is None:
            return


def _row(
    reader: ReaderFacts, bought: SubscriptionFacts | None, owed: list[tuple[int, str]]
) -> tuple[Value, ...]:
    verified = "yes" if reader.email_verified else "no"
    known = (
        reader.reader_id, reader.email, verified, _instant(reader.first_seen), " ".join(reader.kinds),
    )  # fmt: skip
    sums = ", ".join(f"{amount} {currency}" for amount, currency in owed) or None
    if bought is None:
        return (*known, *([None] * (len(HEADER) - len(known) - 2)), sums, None)
    return (
        *known, bought.subscription_id, bought.plan, bought.offer_name, WORDS[bought.standing],
        _instant(bought.since), _instant(bought.until), bought.amount, bought.currency,
        bought.interval, bought.interval_count,
        next((amount for amount, currency in owed if currency == bought.currency), None), sums,
        bought.offer_id,
    )  # fmt: skip


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
