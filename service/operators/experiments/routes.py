"""The pages of experiments: their list with a form for plans, and one with what it has shown."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.db.tables import ExperimentRow
from service.html.list_query import AnyPage, ListQuery
from service.html.redirect import see_other
from service.identity.entry import ENTRY_WORDS
from service.identity.permissions import Permission
from service.offers.store import live_offers, name_and_price
from service.operators.experiments.changes import (
    AppExperimentChanges,
    experiment_report,
    list_experiments,
)
from service.operators.experiments.form import PlanTyped, sent_plan
from service.operators.experiments.schemas import ExperimentName, ExperimentOut
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.problems import Problem
from service.rules.experiment_changes import facts_of, known_experiment, plan_of, unread_plan
from service.rules.experiment_store import find_experiment
from service.rules.experiments import GOAL_WORDS, STATE_WORDS, SUBJECT_WORDS
from service.rules.prompts import AUDIENCE_WORDS, PLACE_WORDS, WALL_WORDS

router = APIRouter(prefix="/experiments", route_class=PageRoute, include_in_schema=False)
HOME = "/admin/experiments"
FROM_THE_START = ListQuery()

Sees = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
Changes = Annotated[Visit, Depends(form_requires(Permission.ARTICLES_WRITE))]
Sent = Annotated[PlanTyped, Depends(sent_plan)]


@router.get("")
async def show_experiments(
    request: Request,
    _: Sees,
    asked: AnyPage,
    session: ReportSession,
    context: AppContext,
) -> Response:
    """All of them, and the form for another plan."""
    return await _page(request, session, context, PlanTyped(), asked)


@router.post("")
async def send_plan(
    request: Request,
    visit: Changes,
    typed: Sent,
    changes: AppExperimentChanges,
    session: ReportSession,
    context: AppContext,
    seen: Seen,
) -> Response:
    """Store a plan; what can't be is told above the form, which keeps what was typed."""
    try:
        plan = typed.plan(context.settings.zone)
        await changes.plan(visit.operator, plan, seen=seen)
    except Problem as problem:
        row = await find_experiment(session, typed.slug.strip())
        return await _page(
            request, session, context, typed, FROM_THE_START, refusal=problem, row=row
        )
    return see_other(f"{HOME}/{plan.slug}")


@router.get("/{slug}/plan")
async def show_plan(
    request: Request,
    _: Sees,
    slug: ExperimentName,
    session: ReportSession,
    context: AppContext,
) -> Response:
    """The list, with this plan in the form."""
    row = await known_experiment(session, slug)
    typed = PlanTyped.of(plan_of(row), context.settings.zone)
    return await _page(request, session, context, typed, FROM_THE_START, row=row)


@router.get("/{slug}")
async def show_experiment(
    request: Request,
    _: Sees,
    slug: ExperimentName,
    session: ReportSession,
    context: AppContext,
) -> Response:
    """The plan, what it has shown, and what can be done with it."""
    return await _one(request, session, context, slug)


@router.post("/{slug}/start")
async def send_start(
    request: Request,
    visit: Changes,
    slug: ExperimentName,
    changes: AppExperimentChanges,
    session: ReportSession,
    context: AppContext,
    seen: Seen,
) -> Response:
    """From now on it can only be stopped."""
    change = changes.start(visit.operator, slug, seen=seen)
    return await _after(change, request, session, context, slug, leads_to=f"{HOME}/{slug}")


@router.post("/{slug}/stop")
async def send_stop(
    request: Request,
    visit: Changes,
    slug: ExperimentName,
    changes: AppExperimentChanges,
    session: ReportSession,
    context: AppContext,
) -> Response:
    """Before its end: then it has no verdict."""
    change = changes.stop(visit.operator, slug)
    return await _after(change, request, session, context, slug, leads_to=f"{HOME}/{slug}")


@router.post("/{slug}/delete")
async def send_delete(
    request: Request,
    visit: Changes,
    slug: ExperimentName,
    changes: AppExperimentChanges,
    session: ReportSession,
    context: AppContext,
    seen: Seen,
) -> Response:
    """A plan that wasn't started."""
    change = changes.drop(visit.operator, slug, seen=seen)
    return await _after(change, request, session, context, slug, leads_to=HOME)


async def _page(
    request: Request,
    session: AsyncSession,
    context: Context,
    typed: PlanTyped,
    asked: ListQuery,
    *,
    refusal: Problem | None = None,
    row: ExperimentRow | None = None,
) -> Response:
    """`row` is the plan that the form is of."""
    now = context.clocks.business()
    found = await list_experiments(session, asked)
    return page(
        request,
        "experiments.html",
        status_code=refusal.type.status if refusal else 200,
        found=found.map(lambda row: ExperimentOut.of(row, now)),
        typed=typed,
        asked=asked,
        refusal=refusal,
        seen=facts_of(row) if row is not None else None,
        states=STATE_WORDS,
        subjects=SUBJECT_WORDS,
        goals=GOAL_WORDS,
        audiences=AUDIENCE_WORDS,
        walls=WALL_WORDS,
        places=PLACE_WORDS,
        entries=ENTRY_WORDS,
        sold=await _sold(session),
        need_consent=context.settings.experiments_need_consent,
    )


async def _after(
    change: Awaitable[None],
    request: Request,
    session: AsyncSession,
    context: Context,
    slug: str,
    *,
    leads_to: str,
) -> Response:
    """Make the change, or show the page again with why it isn't made."""
    try:
        await change
    except Problem as problem:
        return await _one(request, session, context, slug, refusal=problem)
    return see_other(leads_to)


async def _one(
    request: Request,
    session: AsyncSession,
    context: Context,
    slug: str,
    *,
    refusal: Problem | None = None,
) -> Response:
    report = await experiment_report(session, context, slug)
    return page(
        request,
        "experiment.html",
        status_code=refusal.type.status if refusal else 200,
        report=report,
        later=unread_plan(report.row),
        plan=report.plan,
        row=report.row,
        seen=facts_of(report.row),
        refusal=refusal,
        by=(await names_of(session, [report.row.created_by])).get(report.row.created_by),
        states=STATE_WORDS,
        subjects=SUBJECT_WORDS,
        goals=GOAL_WORDS,
        audiences=AUDIENCE_WORDS,
        walls=WALL_WORDS,
        places=PLACE_WORDS,
        entries=ENTRY_WORDS,
        sold=await _sold(session),
        need_consent=context.settings.experiments_need_consent,
    )


async def _sold(session: AsyncSession) -> dict[str, str]:
    """What is sold, in words, by the offers' ids."""
    return {each.id: name_and_price(each) for each in await live_offers(session)}
