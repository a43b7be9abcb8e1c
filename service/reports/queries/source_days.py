"""Subscriptions that were bought, by what led their buyers here: by day where that is counted already."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Checkout, CheckoutTouches, RolledDay, SourceDay
from service.reports import led
from service.reports.asked import Asked
from service.reports.period import midnight
from service.reports.queries.purchases import is_purchase

TOUCHES = ("first", "last")
_ONE_DAY = timedelta(days=1)


async def sold_by_source(session: AsyncSession, asked: Asked) -> Counter[tuple[str, str, int]]:
    """By touch, source and step of the period."""
    first, last = asked.period.first, min(asked.period.last, asked.today)
    if asked.period.zone.key != asked.home.key:
        return await _from_rows(session, asked, [(asked.since, asked.until)])
    counted = select(RolledDay.day).where(RolledDay.counted_on.is_not(None))
    days = set(await session.scalars(counted.where(RolledDay.day >= first, RolledDay.day <= last)))
    row = SourceDay
    stored = await session.execute(
        select(row.touch, row.source, row.day, row.sold).where(
            row.day >= first, row.day <= last, row.day.in_(counted)
        )
    )
    found = Counter[tuple[str, str, int]]()
    for touch, source, day, sold in stored:
        found[touch, source, asked.step_of(day)] += sold
    all_days = (first + n * _ONE_DAY for n in range((last - first).days + 1))
    rest = spans_of([day for day in all_days if day not in days], asked.home)
    found.update(await _from_rows(session, asked, rest))
    return found


async def sold_on(
    session: AsyncSession, day: date, zone: ZoneInfo
) -> list[tuple[date, str, str, int]]:
    """The rows of `SourceDay` for a day of the zone."""
    found = []
    for touch in TOUCHES:
        source = led.source(CheckoutTouches, touch)
        sold = await session.execute(
            select(source, func.count())
            .select_from(Checkout)
            .outerjoin(CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id)
            .where(*bought(spans_of([day], zone)))
            .group_by(source)
        )
        found += [(day, touch, name, count) for name, count in sold]
    return found


async def _from_rows(
    session: AsyncSession, asked: Asked, spans: list[tuple[datetime, datetime]]
) -> Counter[tuple[str, str, int]]:
    found = Counter[tuple[str, str, int]]()
    at: ColumnElement[Any] = Checkout.completed_at.expression
    for touch in TOUCHES if spans else ():
        rows = (
            select(
                led.source(CheckoutTouches, touch).label("source"),
                asked.step_at(at).label("step"),
            )
            .outerjoin(CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id)
            .where(*bought(spans))
            .subquery("sold")
        )
        grouping = (rows.c.source, rows.c.step)
        for source, step, count in await session.execute(
            select(*grouping, func.count()).group_by(*grouping)
        ):
            found[touch, source, step] += count
    return found


def bought(spans: Iterable[tuple[datetime, datetime]]) -> list[Any]:
    """Whether a checkout bought a subscription in one of these times."""
    at = Checkout.completed_at
    return [
        is_purchase(), Checkout.stripe_subscription_id.is_not(None),
        or_(*((at >= since) & (at < until) for since, until in spans)),
    ]  # fmt: skip


def spans_of(days: list[date], zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """From when until when they last, those together that follow each other."""
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and spans[-1][1] == day:
            spans[-1] = (spans[-1][0], day + _ONE_DAY)
        else:
            spans.append((day, day + _ONE_DAY))
    return [(midnight(first, zone), midnight(after, zone)) for first, after in spans]
