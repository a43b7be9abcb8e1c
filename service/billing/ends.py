"""How often a subscription had been renewed when it ended, kept with the movement of its end for reports."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import DomainEvent, MovementRow

RENEWED = DomainEvent.type == "subscription.renewed"
IS_END = MovementRow.to_plan.is_(None)
UNCOUNTED = and_(IS_END, MovementRow.renewals.is_(None))


def renewals_before() -> ScalarSelect[int]:
    """Of a row of `MovementRow`, from the events: how often its subscription had been renewed by then."""
    return (
        select(func.count())
        .where(
            DomainEvent.subject_id == MovementRow.subscription_id, RENEWED,
            DomainEvent.occurred_at <= MovementRow.at,
        )
        .correlate(MovementRow)
        .scalar_subquery()
    )  # fmt: skip


async def forget_renewals_of(session: AsyncSession, subscription_id: str) -> None:
    """Let what it was renewed before its ends be counted again: a renewal may be stored late.

    Call it in the transaction that stores it.
    """
    # Whatever they say: one that is being counted in this moment is waited for.
    await _set(session, (MovementRow.subscription_id == subscription_id, IS_END), None)


async def forget_renewals(session: AsyncSession, subscription_ids: Select[Any] | None) -> None:
    """The same of many, or all."""
    theirs = [IS_END, MovementRow.renewals.is_not(None)]
    if subscription_ids is not None:
        theirs.append(MovementRow.subscription_id.in_(subscription_ids))
    await _lock(session, theirs)
    await _set(session, theirs, None)


async def note_renewals(session: AsyncSession, at_once: int) -> int:
    """Count some of those that are to be counted; how many there were."""
    row = MovementRow
    ids = list(
        await session.scalars(
            select(row.subscription_id)
            .where(UNCOUNTED)
            .order_by(row.subscription_id)
            .limit(at_once)
        )
    )
    if ids:
        theirs = (row.subscription_id.in_(ids), UNCOUNTED)
        # Locked first, and counted by the next statement: it sees what was stored until then.
        await _lock(session, theirs)
        await _set(session, theirs, renewals_before())
    return len(ids)


async def _lock(session: AsyncSession, rows: Iterable[ColumnElement[bool]]) -> None:
    """In the order in which the movements' rollup marks them: neither ends up waiting for the other."""
    key = (MovementRow.subscription_id, MovementRow.number)
    await session.execute(select(*key).where(*rows).order_by(*key).with_for_update())


async def _set(
    session: AsyncSession, rows: Iterable[ColumnElement[bool]], renewals: ScalarSelect[int] | None
) -> None:
    await session.execute(
        update(MovementRow)
        .where(*rows)
        .values(renewals=renewals)
        .execution_options(synchronize_session=False)
    )
