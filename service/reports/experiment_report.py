"""The report on an experiment: what each variant brought, its guardrails, and the verdict."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ExperimentRow
from service.reports.queries.experiment_rows import count_experiment
from service.reports.queries.kept_rows import gone_before
from service.reports.verdict import Result, result_of
from service.rules.experiment_document import ExperimentIn, read_plan
from service.rules.experiments import State, state_of


@dataclass(frozen=True)
class ExperimentReport:
    """`result` and `mixed` are None before the start."""

    row: ExperimentRow
    plan: ExperimentIn
    state: State
    result: Result | None = None
    mixed: int | None = None
    gone: date | None = None
    """The first day of which rows are kept, where some of its own are deleted."""


async def report_on_experiment(
    session: AsyncSession, row: ExperimentRow, now: datetime, zone: ZoneInfo
) -> ExperimentReport:
    """`now` is business time, `zone` the publication's. Raises ValidationError for a later release's plan."""
    plan = read_plan(row.document)
    state = state_of(row.started_at, row.stopped_at, row.ends_at, now)
    if row.started_at is None:
        return ExperimentReport(row, plan, state)
    until, within = min(now, row.stopped_at or row.ends_at), timedelta(days=plan.within_days)
    days = row.started_at.astimezone(zone).date(), until.astimezone(zone).date()
    found = await count_experiment(
        session, plan.as_rule(row.started_at), days=days, goal=plan.goal, within=within, now=now
    )
    gone = await gone_before(session, *days)
    result = result_of(
        found.tallies,
        size=plan.size,
        stopped=state == "stopped",
        over=state == "over",
        waited=now >= row.ends_at + within,
    )
    return ExperimentReport(row, plan, state, result, found.mixed, gone)
