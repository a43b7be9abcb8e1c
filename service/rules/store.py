"""The versions of the rules: each change is one more, and none is ever altered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import RulesVersion
from service.db.upsert import insert_for

MOST_READ = 200
"""Versions that a report reads for what prompts were called: each has all prompts of its time."""


async def latest_version(session: AsyncSession) -> int:
    """Its number; 0 while there is none."""
    return await session.scalar(select(func.max(RulesVersion.version))) or 0


async def latest(session: AsyncSession) -> RulesVersion | None:
    return (await session.scalars(_newest())).one_or_none()


@cache
def _newest() -> Select[RulesVersion]:
    """Built once: that takes longer than to execute it."""
    return select(RulesVersion).order_by(RulesVersion.version.desc()).limit(1)


async def meter_names(session: AsyncSession) -> set[str]:
    """The names of all meters of their own that there ever were: what they counted may be there still."""
    found = await session.scalars(select(RulesVersion.document["meters"]))
    return {meter["name"] for meters in found for meter in meters or ()}


async def rules_documents(session: AsyncSession) -> list[Mapping[str, Any]]:
    """What the newest rules say and said, the newest first: their prompts and the words of walls."""
    found = await session.execute(
        select(RulesVersion.document["prompts"], RulesVersion.document["walls"])
        .order_by(RulesVersion.version.desc())
        .limit(MOST_READ)
    )
    return [{"prompts": prompts, "walls": walls} for prompts, walls in found]


async def add_version(
    session: AsyncSession,
    document: Mapping[str, Any],
    *,
    after: int,
    actor: str,
    now: datetime,
) -> RulesVersion | None:
    """Store the rules as the version after `after`; None where somebody else has made that one."""
    added = await session.scalar(
        insert_for(session, RulesVersion)
        .values(version=after + 1, at=now, actor=actor, document=document)
        .on_conflict_do_nothing()
        .returning(RulesVersion.version)
    )
    return None if added is None else await session.get_one(RulesVersion, added)


async def newest_versions(
    session: AsyncSession, *, most: int, at: datetime | None = None
) -> Sequence[RulesVersion]:
    """The newest first; `at`: of those that there were at this instant of the business time."""
    newest = select(RulesVersion).order_by(RulesVersion.version.desc()).limit(most)
    if at is not None:
        newest = newest.where(RulesVersion.at <= at)
    return (await session.scalars(newest)).all()
