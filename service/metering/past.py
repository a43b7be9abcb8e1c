"""A meter's window as it was at a past instant: from the ledger of reads."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry
from service.metering.store import read_meter
from service.metering.window import MeterState, Window, rolling_from


@dataclass(frozen=True)
class PastWindow:
    """`undated` are articles of the window whose time isn't in the ledger: they came along at a sign-in,
    were read with another address of the mailbox, or their rows are deleted. They count as carried.
    """

    state: MeterState
    undated: int


async def window_before(
    session: AsyncSession, meter: str, whose: ColumnElement[bool], empty: MeterState, at: datetime
) -> PastWindow:
    """The window that `empty` names as it was just before `at`, so that a read of that instant is explained.

    `meter` is where it is counted, `whose` finds the reads that are counted there.
    """
    final = await read_meter(session, meter, empty.window, empty.limit)
    window = empty.window
    if window.rolls:
        began = await _began_before(session, whose, window, at)
        if began is None and final.window.start < at:
            began = final.window.start  # what it holds came along, or its rows are deleted
        if began is None:
            return PastWindow(empty, 0)
        window = rolling_from(began, window.span)
    rows = await session.execute(
        select(AccessEntry.article_id, AccessEntry.at)
        .where(whose, AccessEntry.consumed, AccessEntry.window_start == window.start)
        .where(AccessEntry.at >= window.start, AccessEntry.at < window.end)
    )
    counted = {row.article_id: row.at for row in rows}
    undated = final.read_set - counted.keys() if final.window == window else frozenset()
    before = frozenset(article for article, read_at in counted.items() if read_at < at)
    state = empty._replace(window=window, counted=before, carried=undated)
    return PastWindow(state, len(undated))


async def _began_before(
    session: AsyncSession, whose: ColumnElement[bool], asked: Window, at: datetime
) -> datetime | None:
    """When the rolling window of `at` began; None: none was running."""
    began: datetime | None = await session.scalar(
        select(AccessEntry.window_start)
        .where(whose, AccessEntry.consumed, AccessEntry.at < at)
        .where(AccessEntry.window_start > asked.ended, AccessEntry.window_start < at)
        .order_by(AccessEntry.at.desc(), AccessEntry.id.desc())
        .limit(1)
    )
    return began


async def latest_device(session: AsyncSession, reader_id: str, at: datetime) -> str | None:
    """The pseudonym of the device that the reader last read with until `at`; None: the ledger has none."""
    found: str | None = await session.scalar(
        select(AccessEntry.device_id)
        .where(AccessEntry.reader_id == reader_id, AccessEntry.at <= at)
        .where(AccessEntry.device_id.is_not(None))
        .order_by(AccessEntry.at.desc(), AccessEntry.id.desc())
        .limit(1)
    )
    return found


async def recorded_until(
    session: AsyncSession, whose: ColumnElement[bool], article_id: str, at: datetime
) -> AccessEntry | None:
    """The last answer until `at` that the ledger has of this article, among the rows that `whose` finds."""
    found: AccessEntry | None = await session.scalar(
        select(AccessEntry)
        .where(whose, AccessEntry.at <= at, AccessEntry.article_id == article_id)
        .order_by(AccessEntry.at.desc(), AccessEntry.id.desc())
        .limit(1)
    )
    return found


async def took_part(
    session: AsyncSession, whose: ColumnElement[bool], variant: str, at: datetime
) -> bool:
    """Whether a read or wall until `at`, among the rows that `whose` finds, is recorded with this variant of an
    experiment.
    """
    found = await session.scalar(
        select(AccessEntry.id)
        .where(whose, AccessEntry.at <= at, AccessEntry.variant == variant)
        .limit(1)
    )
    return found is not None


async def was_recorded(session: AsyncSession, device: str, at: datetime) -> bool:
    """Whether the ledger has anything of the device (its pseudonym) until `at`."""
    found = await session.scalar(
        select(AccessEntry.id).where(AccessEntry.device_id == device, AccessEntry.at <= at).limit(1)
    )
    return found is not None
