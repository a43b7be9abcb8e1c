"""Everything held on a reader as one JSON document: by reader_data.py what is here, live what Stripe has.

Reads may be many: they come last and are written as they are fetched, a page at a time, so that the
memory needed doesn't grow with them and no connection waits for a slow download.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.reader_data import HOLDINGS, Holding
from service.account.subject import Subject, reads_by_index, subject_of
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Article, MeterWindow
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway
from service.problems import Problem
from service.settings import Settings

PAGE = 1000
"""Reads fetched and held at once."""


@dataclass(frozen=True)
class Export:
    """`head` are the document's members but `reads`."""

    database: Database
    subject: Subject
    head: Mapping[str, Any]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The document in UTF-8, piece by piece. It ends amid the text where the database goes away."""
        members = (f"{json.dumps(name)}: {_text(value)}" for name, value in self.head.items())
        yield ("{" + ",\n".join(members) + ',\n"reads": [').encode()
        first = True
        async for rows in self._reads():
            lines = ",\n".join(_text(row) for row in rows)
            yield (("\n" if first else ",\n") + lines).encode()
            first = False
        yield b"]}\n"

    async def _reads(self) -> AsyncIterator[list[dict[str, Any]]]:
        holding = next(each for each in HOLDINGS if each.table is AccessEntry)
        for part in reads_by_index(self.subject):
            after: AccessEntry | None = None
            while True:
                async with self.database.slow_reading("reports") as session:
                    found = await _page(session, part, after)
                if not found:
                    break
                yield [
                    {**_shown(holding, entry), "article": {"slug": slug, "title": title}}
                    for entry, slug, title in found
                ]
                after = found[-1][0]


async def gather_export(
    context: Context,
    gateway: Gateway | None,
    *,
    reader_id: str,
) -> Export:
    """All but the reads, which follow with the export's chunks.

    Raises the problems `not-found`, `stripe-unavailable`, and `selling-is-off` where Stripe holds
    something and no key is set: an export that isn't complete isn't given.
    """
    async with context.database.slow_reading("reports") as session:
        subject = await subject_of(session, reader_id)
        if subject is None:
            raise Problem("not-found", "Reader not found.")
        sections = {
            holding.section: await _section(session, holding, subject)
            for holding in HOLDINGS
            if holding.table is not AccessEntry
        }
        sections["meter_windows"] = await _with_slugs(session, sections["meter_windows"])
    about = {
        "publication": context.settings.publication,
        "reader": reader_id,
        "exported_at": context.clocks.wall(),
        "times": "UTC",
        "amounts": "in the currency's minor unit",
    }
    stripe = [await _held_at_stripe(gateway, context.settings, each) for each in subject.customers]
    return Export(context.database, subject, {"about": about, **sections, "stripe": stripe})


async def _section(
    session: AsyncSession, holding: Holding, subject: Subject
) -> list[dict[str, Any]]:
    keys = holding.table.__mapper__.primary_key
    found = await session.scalars(
        select(holding.table).where(holding.theirs(subject)).order_by(*keys)
    )
    return [_shown(holding, row) for row in found]


def _shown(holding: Holding, row: Base) -> dict[str, Any]:
    hidden = holding.hidden.split()
    values = {
        column.name: getattr(row, column.name)
        for column in holding.table.__table__.columns
        if column.name not in hidden
    }
    for name, show in holding.shown.items():
        values[name] = show(values[name])
    return values


async def _with_slugs(session: AsyncSession, windows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The windows with the articles' slugs for their ids, which say nothing to anybody."""
    columns = (MeterWindow.counted.key, MeterWindow.carried.key)
    ids = {each for window in windows for name in columns for each in window[name]}
    named = await session.execute(select(Article.id, Article.slug).where(Article.id.in_(ids)))
    slugs = {row.id: row.slug for row in named}
    return [
        {**window, **{name: [slugs.get(each, each) for each in window[name]] for name in columns}}
        for window in windows
    ]


async def _page(
    session: AsyncSession, part: ColumnElement[bool], after: AccessEntry | None
) -> list[tuple[AccessEntry, str | None, str | None]]:
    """The next rows in the order of the index, with slug and title of their articles."""
    statement = (
        select(AccessEntry, Article.slug, Article.title)
        .outerjoin(Article, Article.id == AccessEntry.article_id)
        .where(part)
        .order_by(AccessEntry.at, AccessEntry.id)
        .limit(PAGE)
    )
    if after is not None:
        same = and_(AccessEntry.at == after.at, AccessEntry.id > after.id)
        later = or_(AccessEntry.at > after.at, same)
        statement = statement.where(AccessEntry.at >= after.at, later)
    return [(entry, slug, title) for entry, slug, title in await session.execute(statement)]


async def _held_at_stripe(
    gateway: Gateway | None, settings: Settings, customer_id: str
) -> dict[str, Any]:
    if gateway is None:
        raise Problem("selling-is-off")
    async with asking_stripe(settings):
        customer = await gateway.customer_record(customer_id)
    if customer is None:
        return {"customer": {"id": customer_id, "deleted": True}}
    async with asking_stripe(settings):
        cards = await gateway.cards_of(customer_id)
    async with asking_stripe(settings):
        subscriptions = await gateway.subscriptions_of(customer_id)
    async with asking_stripe(settings):
        invoices = await gateway.invoices_of(customer_id)
    return {
        "customer": asdict(customer),
        "payment_methods": [asdict(each) for each in cards],
        "subscriptions": [asdict(each) for each in subscriptions],
        "invoices": [asdict(each) for each in invoices],
    }


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} isn't JSON")
