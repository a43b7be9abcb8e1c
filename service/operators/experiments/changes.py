"""Looking experiments up and changing them: for the pages and the API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context, context_in
from service.db.keyset import Keyset, Page
from service.db.tables import ExperimentRow
from service.html.list_query import ListQuery
from service.identity.audit import Change
from service.identity.callers import Actor
from service.reports.experiment_report import ExperimentReport, report_on_experiment
from service.rules.experiment_changes import (
    changing_experiments,
    drop_plan,
    known_experiment,
    plan_experiment,
    plan_of,
    start_experiment,
    stop_experiment,
)
from service.rules.experiment_document import ExperimentIn
from service.rules.in_force import RuleBook
from service.running import running_of

_NEWEST = Keyset(ExperimentRow.created_at, ExperimentRow.slug)


@dataclass(frozen=True)
class ExperimentChanges:
    """Changes, each in a transaction of its own and in force in this process once it is committed."""

    context: Context
    rule_book: RuleBook

    async def plan(self, actor: Actor, plan: ExperimentIn, *, seen: str | None) -> None:
        await self._change(actor, lambda change: plan_experiment(change, plan, seen=seen))

    async def start(self, actor: Actor, slug: str, *, seen: str | None) -> None:
        await self._change(
            actor, lambda change: start_experiment(change, slug, self.context, seen=seen)
        )

    async def stop(self, actor: Actor, slug: str) -> None:
        await self._change(actor, lambda change: stop_experiment(change, slug))

    async def drop(self, actor: Actor, slug: str, *, seen: str | None) -> None:
        await self._change(actor, lambda change: drop_plan(change, slug, seen=seen))

    async def _change(self, actor: Actor, act: Callable[[Change], Awaitable[None]]) -> None:
        async with changing_experiments(self.context, actor.label) as change:
            await act(change)
        await self.rule_book.refresh(self.context.database)


async def experiment_changes(request: Request) -> ExperimentChanges:
    """Those of the application that answers."""
    running = running_of(request)
    return ExperimentChanges(context_in(running), running.get(RuleBook))


AppExperimentChanges = Annotated[ExperimentChanges, Depends(experiment_changes)]


async def list_experiments(session: AsyncSession, asked: ListQuery) -> Page[ExperimentRow]:
    """The newest plan first. Raises Problem `invalid-request` for a cursor that isn't ours."""
    return await _NEWEST.page(
        session, select(ExperimentRow), cursor=asked.cursor, limit=asked.limit
    )


async def experiment_report(session: AsyncSession, context: Context, slug: str) -> ExperimentReport:
    """Raises Problem `not-found`, also for a plan that this release can't read."""
    row = await known_experiment(session, slug)
    plan_of(row)
    return await report_on_experiment(
        session, row, context.clocks.business(), context.settings.zone
    )
