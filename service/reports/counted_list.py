"""The list behind a figure: a row for each reader, subscription or payment that it counts."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import Offer, Reader, Subscription
from service.problems import invalid_field
from service.reports.asked import Asked
from service.reports.choices import refuse_unknown
from service.reports.figure import Figure
from service.reports.listed import Listing
from service.reports.offer_names import by_id
from service.reports.period import NotAsked
from service.reports.registry import BY_SLUG
from service.reports.report_schemas import no_such_figure


@dataclass(frozen=True)
class Counted:
    """One of what a figure counts; without `reader_id` its reader was erased, or isn't known."""

    series: str
    at: datetime
    reader_id: str | None
    email: str | None
    subscription_id: str | None
    offer_id: str | None
    offer_name: str | None
    detail: str | None
    amount: int | None
    currency: str | None


def listed_figure(slug: str) -> Figure:
    """Raises Problem `not-found` where there is no such figure, or nothing to list behind it."""
    figure = BY_SLUG.get(slug)
    if figure is None or figure.listing is None:
        raise no_such_figure()
    return figure


def listed_filters(figure: Figure) -> tuple[str, ...]:
    """What the list can be filtered by."""
    apart = figure.listing.told_apart.values() if figure.listing else ()
    return (*figure.all_filters, *apart)


async def checked(session: AsyncSession, figure: Figure, asked: Asked) -> Asked:
    """With an offer's id where its name was given.

    Raises Problem `invalid-request` for a filter that the figure doesn't have, or a value that nothing has.
    """
    asked = replace(asked, chosen=await by_id(session, asked.chosen))
    try:
        if not set(asked.chosen) <= set(listed_filters(figure)):
            figure.check(asked)
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong
    await refuse_unknown(session, asked.chosen)
    return asked


async def list_counted(
    session: AsyncSession,
    figure: Figure,
    asked: Asked,
    series: str,
    *,
    cursor: str | None,
    limit: int,
) -> Page[Counted]:
    """What one series of the figure counts, without one what its listing names; the newest first.

    Raises Problem `invalid-request`: a foreign cursor, a series without rows, or a day whose rows aren't kept.
    """
    listing = figure.listing
    if listing is None:
        raise no_such_figure()
    try:
        wanted = _wanted(listing, series)
        if listing.counted_first and await _counts_nobody(session, figure, asked, wanted):
            return Page([], None)
        rows = (await listing.rows(session, asked, wanted)).subquery("listed")
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong

    def found(column: Any, *which: ColumnElement[bool]) -> ColumnElement[Any]:
        # Not joined: beside a costly list PostgreSQL takes reading all readers for each row to be as
        # cheap as an index, since it compares costs to a hundredth.
        return select(column).where(*which).correlate(rows).scalar_subquery()

    bought = Subscription.id == rows.c.subscription_id
    holder, sold = found(Subscription.reader_id, bought), found(Subscription.offer_id, bought)
    is_theirs = and_(
        Reader.id == func.coalesce(rows.c.reader_id, holder), Reader.erased_at.is_(None)
    )
    is_sold = Offer.id == func.coalesce(rows.c.offer_id, sold)
    statement = select(
        rows.c.series, rows.c.at, found(Reader.id, is_theirs), found(Reader.email, is_theirs),
        rows.c.subscription_id, found(Offer.id, is_sold), found(Offer.name, is_sold), rows.c.detail,
        # A sum of 64 bits is a decimal to PostgreSQL, which no page can write as money.
        cast(rows.c.amount, BigInteger), rows.c.currency,
    )  # fmt: skip
    by_name = Keyset(rows.c.key, newest_first=False)
    order = by_name if listing.instant(series) else Keyset(rows.c.at, rows.c.key)
    page = await order.rows(session, statement, cursor=cursor, limit=limit)
    return page.map(lambda found: Counted(*found[:10]))


async def _counts_nobody(
    session: AsyncSession, figure: Figure, asked: Asked, wanted: Collection[str]
) -> bool:
    """Whether the figure says so. One that has no value says nothing."""
    lines = [each for each in await figure.lines(session, asked) if each.series in wanted]
    totals = ((each.total, figure.series_of(each).unit) for each in lines)
    return bool(lines) and all(
        (total.part if unit == "percent" else total.value) == 0 for total, unit in totals
    )


def _wanted(listing: Listing, series: str) -> Collection[str]:
    if not series:
        return listing.of_all
    if series not in listing.all_series:
        raise invalid_field("query.series", f"One of {', '.join(listing.all_series)}, or none.")
    return (series,)
