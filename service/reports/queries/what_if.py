"""Where the meter should be: the stop rate by other limits, from the ledger's own rows."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, Reader
from service.identity.email import mailbox_of
from service.metering.store import READER, is_device, readers_meter
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, share
from service.reports.queries import kept_rows
from service.reports.replay import AS_IT_WAS, LIMITS, HolderKind, Place, Tried, replay

MOST_REPLAYED = 50_000
"""Rows: more are some seconds of a processor."""
KINDS: tuple[HolderKind, ...] = ("anonymous", "registered")


async def what_if(session: AsyncSession, asked: Asked, most: int = MOST_REPLAYED) -> list[Line]:
    """Holders who met a wall ÷ holders, as it was and by each limit.

    Of more than `most` rows a sample of the holders is replayed, and a line says which share of them.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    gone = await kept_rows.gone_before(session, first, last)
    if gone is not None:
        return [
            line_of(lambda _: kept_rows.deleted(gone), asked.steps, kind, split=_words(AS_IT_WAS))
            for kind in KINDS
        ]
    digits = await kept_rows.sample(session, first, last, most)
    begins = await _begins(session, asked, first, last, digits)
    # With the days before the period: a rolling window may have begun long before it.
    digits = await kept_rows.sample(session, begins, last, most)
    rows = await _rows(session, asked, begins, last, digits)
    # In a thread: it takes half a second, in which others are answered.
    found = await asyncio.to_thread(lambda: replay(_tried(asked, rows)))

    def rate(kind: HolderKind, limit: int) -> Callable[[int | None], Cell]:
        return lambda at: share(
            found.stopped[Place(kind, at, limit)],
            found.holders[Place(kind, at, AS_IT_WAS)],
            of=f"{kind} holders",
        )

    lines = [
        line_of(rate(kind, limit), asked.steps, kind, split=_words(limit))
        for kind in KINDS
        for limit in (AS_IT_WAS, *LIMITS)
    ]
    return [*lines, *kept_rows.sample_line(asked, digits)]


async def _begins(
    session: AsyncSession, asked: Asked, first: date, last: date, digits: int
) -> date:
    """The day on which the first window began that the sample's rows of the period were decided in."""
    began = await session.scalar(
        select(func.min(AccessEntry.window_start)).where(
            kept_rows.on_days(first, last), *kept_rows.sampled(digits)
        )
    )
    return first if began is None else min(first, began.astimezone(asked.home).date())


def _words(limit: int) -> str:
    return "as it was" if limit == AS_IT_WAS else f"limit {limit}"


async def _rows(
    session: AsyncSession, asked: Asked, first: date, last: date, digits: int
) -> Sequence[Any]:
    """The ledger's rows of the sample, in the order of time."""
    entry = AccessEntry
    # Not joined: PostgreSQL would read all readers for those of the sample.
    key = (
        select(Reader.verified_key)
        .where(Reader.id == func.substr(entry.holder, len(READER) + 1))
        .scalar_subquery()
    )
    begins = asked.period.first
    found = await session.execute(
        select(
            entry.day, entry.holder, case((entry.holder.startswith(READER), key)), entry.article_id,
            entry.reason, entry.wall.is_not(None), entry.consumed, entry.window_start,
            entry.meter_name.is_not(None),
        )
        .where(
            kept_rows.on_days(first, last), or_(entry.day >= begins, entry.window_start.is_not(None)),
            *kept_rows.sampled(digits),
        )
        .order_by(entry.at, entry.id)
    )  # fmt: skip
    return found.all()


def _tried(asked: Asked, rows: Iterable[Any]) -> Iterator[Tried]:
    for day, holder, key, article, reason, is_walled, consumed, window, is_own in rows:
        is_anonymous = is_device(holder)
        yield Tried(
            holder if is_anonymous else _meter(holder, key), asked.step_of(day),
            "anonymous" if is_anonymous else "registered", holder, article, reason, is_walled,
            consumed, window, is_own,
        )  # fmt: skip


def _meter(holder: str, key: str | None) -> str:
    return readers_meter(holder.removeprefix(READER), mailbox_of(key))
