"""Experiments in the database: plans, and those that were started, which nobody changes any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ExperimentRow
from service.db.upsert import insert_for
from service.rules.experiment_document import ExperimentIn


async def begun_and_stopped(session: AsyncSession) -> tuple[int, int]:
    """How many were started and how many stopped: both only grow, so they tell a change."""
    row = ExperimentRow
    found = await session.execute(select(func.count(row.started_at), func.count(row.stopped_at)))
    started, stopped = found.one()
    return started, stopped


async def running_at(session: AsyncSession, at: datetime) -> ExperimentRow | None:
    """The one that runs at this instant of the business time, or ran then."""
    row = ExperimentRow
    found = await session.scalars(
        select(row).where(
            row.started_at <= at,
            row.ends_at > at,
            or_(row.stopped_at.is_(None), row.stopped_at > at),
        )
    )
    return found.first()


async def latest_begun(session: AsyncSession) -> ExperimentRow | None:
    """The one that was started last, unless it was stopped; it may be over."""
    row = ExperimentRow
    newest = select(row).where(row.started_at.is_not(None)).order_by(row.started_at.desc()).limit(1)
    found = (await session.scalars(newest)).one_or_none()
    return found if found is not None and found.stopped_at is None else None


async def find_experiment(session: AsyncSession, slug: str) -> ExperimentRow | None:
    return await session.get(ExperimentRow, slug)


async def put_plan(session: AsyncSession, plan: ExperimentIn, *, actor: str, now: datetime) -> bool:
    """Store the plan, new or in place of one that wasn't started; False: it was."""
    document = plan.model_dump(mode="json")
    new = insert_for(session, ExperimentRow).values(
        slug=plan.slug, document=document, created_at=now, created_by=actor, ends_at=plan.ends_at
    )
    put = await session.scalar(
        new.on_conflict_do_update(
            index_elements=[ExperimentRow.slug],
            set_={"document": new.excluded.document, "ends_at": new.excluded.ends_at},
            where=ExperimentRow.started_at.is_(None),
        ).returning(ExperimentRow.slug)
    )
    return put is not None


async def set_started(session: AsyncSession, slug: str, *, now: datetime) -> bool:
    """False: it was started before, or is gone."""
    row = ExperimentRow
    begun = update(row).where(row.slug == slug, row.started_at.is_(None)).values(started_at=now)
    return await _changed(session, begun.returning(row.slug))


async def set_stopped(session: AsyncSession, slug: str, *, now: datetime) -> bool:
    """False: it doesn't run."""
    row = ExperimentRow
    runs = and_(row.started_at.is_not(None), row.stopped_at.is_(None), row.ends_at > now)
    stopped = update(row).where(row.slug == slug, runs).values(stopped_at=now)
    return await _changed(session, stopped.returning(row.slug))


async def delete_plan(session: AsyncSession, slug: str) -> bool:
    """False: it was started, or there is none."""
    row = ExperimentRow
    gone = delete(row).where(row.slug == slug, row.started_at.is_(None))
    return await _changed(session, gone.returning(row.slug))


async def newest_experiments(session: AsyncSession, most: int) -> Sequence[ExperimentRow]:
    newest = select(ExperimentRow).order_by(ExperimentRow.created_at.desc(), ExperimentRow.slug)
    return (await session.scalars(newest.limit(most))).all()


async def _changed(session: AsyncSession, statement: Any) -> bool:
    found = await session.scalars(statement, execution_options={"synchronize_session": False})
    return found.one_or_none() is not None
