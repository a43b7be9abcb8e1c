"""Where the meter should be: the stop rate by other limits, from the ledger's own rows."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, Reader, RolledDay
from service.identity.email import mailbox_of
from service.metering.store import DEVICE, READER, is_device, readers_meter
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.replay import AS_IT_WAS, LIMITS, HolderKind, Place, Tried, replay

MOST_REPLAYED = 50_000
"""Rows: more are some seconds of a processor."""
KINDS: tuple[HolderKind, ...] = ("anonymous", "registered")
_LONGEST_WINDOW = timedelta(days=31)
_DIGITS = 16
_SAMPLED = "7"
"""The digit with which the random part of a sampled holder's name begins, once for each sixteenth."""


async def what_if(session: AsyncSession, asked: Asked, most: int = MOST_REPLAYED) -> list[Line]:
    """Holders who met a wall ÷ holders, as it was and by each limit.

    Of more than `most` rows a sample of the holders is replayed, and a line says which share of them.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    gone = await _gone(session, first, last)
    if gone is not None:
        why = f"Reads and walls before {gone} are deleted, and this needs each of them."
        return [
            line_of(lambda _: none(why), asked.steps, kind, split=_words(AS_IT_WAS))
            for kind in KINDS
        ]
    digits = _digits_of(await _rows(session, first, last), most)
    rows = await _tried(session, asked, first - _LONGEST_WINDOW, last, digits)
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
    if digits:
        sample = Cell(Fraction(1, _DIGITS**digits))
        lines.append(line_of(lambda _: sample, asked.steps, "sample"))
    return lines


def _words(limit: int) -> str:
    return "as it was" if limit == AS_IT_WAS else f"limit {limit}"


async def _gone(session: AsyncSession, first: date, last: date) -> date | None:
    """The first day of which rows are kept, where days of the period had rows before it."""
    kept = await session.scalar(select(func.min(AccessEntry.day)))
    had = await session.scalar(
        select(func.min(RolledDay.day)).where(
            RolledDay.day.between(first, last), RolledDay.rows > 0
        )
    )
    return (
        (kept or last + timedelta(days=1))
        if had is not None and (kept is None or had < kept)
        else None
    )


async def _rows(session: AsyncSession, first: date, last: date) -> int:
    """The number of the ledger's rows in these days; those that are added up aren't counted again."""
    rolled = select(RolledDay.day).where(RolledDay.day.between(first, last))
    added_up = await session.scalar(
        select(func.sum(RolledDay.rows)).where(RolledDay.day.between(first, last))
    )
    rest = await session.scalar(
        select(func.count())
        .select_from(AccessEntry)
        .where(AccessEntry.day.between(first, last), AccessEntry.day.not_in(rolled))
    )
    return int(added_up or 0) + int(rest or 0)


def _digits_of(rows: int, most: int) -> int:
    """How many digits of a holder's name the sample has in common, so that it isn't too large."""
    digits = 0
    while rows > most * _DIGITS**digits:
        digits += 1
    return digits


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
        )
        .outerjoin(Reader, of_reader)
        .where(
            _on_days(first, last), or_(entry.day >= begins, entry.window_start.is_not(None)),
            *_sampled(digits),
        )
    )  # fmt: skip
    return [
        Tried(
            meter=holder if is_device(holder) else _meter(holder, key), at=at, id=id_, step=step,
            kind="anonymous" if is_device(holder) else "registered", holder=holder, article=article,
            reason=reason, is_walled=wall is not None, consumed=consumed, window=window,
        )
        for step, holder, key, at, id_, article, reason, wall, consumed, window in found
    ]  # fmt: skip


def _meter(holder: str, key: str | None) -> str:
    return readers_meter(holder.removeprefix(READER), mailbox_of(key))


def _on_days(first: date, last: date) -> ColumnElement[bool]:
    """Each day by itself, so that a sample is found in each by the index of days and holders."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return AccessEntry.day.in_(days) if days else literal(False)


def _sampled(digits: int) -> list[ColumnElement[bool]]:
    """The holders of the sample: the random part of a device's or a reader's name is hexadecimal."""
    if not digits:
        return []
    prefixes = [f"{DEVICE}dev_{_SAMPLED * digits}", f"{READER}rdr_{_SAMPLED * digits}"]
    return [or_(*(AccessEntry.holder.between(each, f"{each}g") for each in prefixes))]
