"""Planning, starting and stopping experiments. One runs at a time: two at once would disturb each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.bodies import is_read_whole
from service.db.context import Context
from service.db.tables import ExperimentRow
from service.identity.audit import Change
from service.identity.meanwhile import check_unchanged
from service.problems import Problem
from service.rules.experiment_document import ExperimentIn, read_plan
from service.rules.experiment_store import (
    delete_plan,
    find_experiment,
    put_plan,
    running_at,
    set_started,
    set_stopped,
)
from service.rules.in_force import in_force_at
from service.rules.known import check_offers


@asynccontextmanager
async def changing_experiments(context: Context, actor: str) -> AsyncIterator[Change]:
    """The actor's transaction, while nobody else changes experiments."""
    async with context.database.serialised("experiments") as session:
        yield Change(session, context.clocks, actor)


async def plan_experiment(change: Change, plan: ExperimentIn, *, seen: str | None = None) -> None:
    """Store a plan, new or in place of an earlier one. Raises the problems `experiment-begun`, `changed-meanwhile`,
    `rules-unreadable` for one of a later release, and `invalid-request` for offers that don't exist.
    """
    await check_offers(
        change.session,
        [
            (f"body.variants.{place}.words.offers", variant.words.offers)
            for place, variant in enumerate(plan.variants)
            if variant.words is not None
        ],
    )
    before = await find_experiment(change.session, plan.slug)
    await _check_unchanged(change, before, seen, plan.slug)
    was = before.document if before is not None else None
    if before is not None:
        _check_whole(before)
    now = change.clocks.business()
    if not await put_plan(change.session, plan, actor=change.actor, now=now):
        raise Problem("experiment-begun")
    after = plan.model_dump(mode="json")
    if was != after:
        await change.record("experiment.plan", plan.slug, before=was, after=after)


async def start_experiment(
    change: Change, slug: str, context: Context, *, seen: str | None = None
) -> None:
    """Start it now. Raises the problems `not-found`, `experiment-begun`, `another-experiment`, `changed-meanwhile`,
    `rules-unreadable` for a plan of a later release, of which a part would run, and `invalid-request`, for one whose
    end has passed or that changes a meter which is off.
    """
    row, now = await known_experiment(change.session, slug), change.clocks.business()
    if row.started_at is not None:
        raise Problem("experiment-begun")
    await _check_unchanged(change, row, seen, slug)
    plan = plan_of(row)
    _check_whole(row)
    if plan.ends_at <= now:
        raise Problem("invalid-request", "Its end has passed. Set another end, then start it.")
    running = await running_at(change.session, now)
    if running is not None:
        until = running.ends_at.astimezone(context.settings.zone)
        told = f"The experiment {running.slug} runs until {until:%Y-%m-%d}. Wait for its end, or stop it first."
        raise Problem("another-experiment", told)
    in_force = await in_force_at(change.session, context.settings, now)
    if plan.subject == "limit" and in_force.settings.meter_limit is None:
        raise Problem("invalid-request", "The meter is off. Set a limit in the rules first.")
    if not await set_started(change.session, slug, now=now):
        raise Problem("experiment-begun")
    await change.record("experiment.start", slug, after={"ends_at": plan.ends_at.isoformat()})


async def stop_experiment(change: Change, slug: str) -> None:
    """Stop it before its end. Raises the problems `not-found` and `experiment-not-running`."""
    await known_experiment(change.session, slug)
    if not await set_stopped(change.session, slug, now=change.clocks.business()):
        raise Problem("experiment-not-running")
    await change.record("experiment.stop", slug)


async def drop_plan(change: Change, slug: str, *, seen: str | None = None) -> None:
    """Delete a plan. Raises the problems `not-found`, `experiment-begun` and `changed-meanwhile`."""
    row = await known_experiment(change.session, slug)
    await _check_unchanged(change, row, seen, slug)
    was = row.document
    if not await delete_plan(change.session, slug):
        raise Problem("experiment-begun")
    await change.record("experiment.delete", slug, before=was)


def facts_of(row: ExperimentRow) -> dict[str, object]:
    """What is planned, by the plan's fields."""
    return {name: value for name, value in row.document.items() if name != "slug"}


async def _check_unchanged(
    change: Change, row: ExperimentRow | None, seen: str | None, slug: str
) -> None:
    facts = facts_of(row) if row is not None else None
    actions = ("experiment.plan", "experiment.start", "experiment.stop", "experiment.delete")
    await check_unchanged(change.session, facts, seen, actions=actions, target=slug)


async def known_experiment(session: AsyncSession, slug: str) -> ExperimentRow:
    """Raises Problem `not-found`."""
    row = await find_experiment(session, slug)
    if row is None:
        raise Problem("not-found", f"Experiment {slug} not found. Check the list.")
    return row


def plan_of(row: ExperimentRow) -> ExperimentIn:
    """Raises Problem `not-found` for one that this release can't read."""
    try:
        return read_plan(row.document)
    except ValidationError as error:
        raise Problem("not-found", _later(row.slug)) from error


def unread_plan(row: ExperimentRow) -> str:
    """That the plan has parts of a later release, without which nothing is tried here, in a sentence; empty: it has none."""
    return "" if is_read_whole(ExperimentIn, row.document) else _later(row.slug)


def _check_whole(row: ExperimentRow) -> None:
    if unread := unread_plan(row):
        raise Problem("rules-unreadable", unread)


def _later(slug: str) -> str:
    return f"A later release planned the experiment {slug}. Update this one to see, change and run it whole."
