"""Where the meter should be: the stop rate by other limits, from the ledger's own rows."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy import and_, func, or_, select
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
    begins = await _begins(session, asked, first, last)
    # With the days before the period: a rolling window may have begun long before it.
    digits = await kept_rows.sample(session, begins, last, most)
    rows = await _tried(session, asked, begins, last, digits)
    # In a thread: it takes a second, in which others are answered.
    found = await asyncio.to_thread(replay, rows)

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


async def _begins(session: AsyncSession, asked: Asked, first: date, last: date) -> date:
    """The day on which the first window began that the period's rows were decided in."""
    began = await session.scalar(
        select(func.min(AccessEntry.window_start)).where(kept_rows.on_days(first, last))
    )
    return first if began is None else min(first, began.astimezone(asked.home).date())


def _words(limit: int) -> str:
    return "as it was" if limit == AS_IT_WAS else f"limit {limit}"


async def _tried(
    session: AsyncSession, asked: Asked, first: date, last: date, digits: int
) -> Sequence[Tried]:
    entry = AccessEntry
    of_reader = and_(
        Reader.id == func.substr(entry.holder, len(READER) + 1), entry.holder.startswith(READER)
    )
    begins = asked.period.first
    found = await session.execute(
        select(
            asked.step_on(entry.day.expression).label("step"), entry.holder, Reader.verified_key, entry.at, entry.id,
            entry.article_id, entry.reason, entry.wall, entry.consumed, entry.window_start,
            entry.meter_name,
        )
        .outerjoin(Reader, of_reader)
        .where(
            kept_rows.on_days(first, last), or_(entry.day >= begins, entry.window_start.is_not(None)),
            *kept_rows.sampled(digits),
        )
    )  # fmt: skip
    return [
        Tried(
            meter=holder if is_device(holder) else _meter(holder, key), at=at, id=id_, step=step,
            kind="anonymous" if is_device(holder) else "registered", holder=holder, article=article,
            reason=reason, is_walled=wall is not None, consumed=consumed, window=window,
            is_own=name is not None,
        )
        for step, holder, key, at, id_, article, reason, wall, consumed, window, name in found
    ]  # fmt: skip


def _meter(holder: str, key: str | None) -> str:
    return readers_meter(holder.removeprefix(READER), mailbox_of(key))
