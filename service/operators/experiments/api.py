"""Experiments over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from service.db.context import AppContext
from service.db.session import AppDatabase, ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch, etag_of
from service.identity.permissions import Permission
from service.operators.experiments.changes import (
    AppExperimentChanges,
    experiment_report,
    list_experiments,
)
from service.operators.experiments.schemas import (
    ExperimentList,
    ExperimentName,
    ExperimentOut,
    ExperimentResults,
)
from service.problems import Problem
from service.rules.experiment_changes import facts_of, known_experiment
from service.rules.experiment_document import ExperimentIn

router = APIRouter(prefix="/experiments", tags=["experiments"])

Reads = Annotated[Actor, Depends(requires(Permission.ARTICLES_READ))]
Changes = Annotated[Actor, Depends(requires(Permission.ARTICLES_WRITE))]
SeesFigures = Annotated[Actor, Depends(requires(Permission.REPORTS_READ))]


@router.get("", summary="List the experiments")
async def read_experiments(
    _: Reads, asked: AnyPage, session: ReportSession, context: AppContext
) -> ExperimentList:
    """Plans and runs, the newest first. Needs the permission articles:read."""
    now = context.clocks.business()
    found = await list_experiments(session, asked)
    return ExperimentList.of(found.map(lambda row: ExperimentOut.of(row, now)))


@router.get("/{slug}", summary="Read an experiment")
async def read_experiment(
    slug: ExperimentName,
    _: Reads,
    session: ReportSession,
    context: AppContext,
    response: Response,
) -> ExperimentOut:
    """The ETag goes into `If-Match`. Needs the permission articles:read."""
    row = await known_experiment(session, slug)
    response.headers["ETag"] = etag_of(facts_of(row))
    return ExperimentOut.of(row, context.clocks.business())


@router.put("/{slug}", summary="Plan an experiment")
async def put_experiment(
    slug: ExperimentName,
    body: ExperimentIn,
    actor: Changes,
    changes: AppExperimentChanges,
    database: AppDatabase,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> ExperimentOut:
    """Store the plan, new or in place of an earlier one with its name; 409 `experiment-begun` once it was started.

    Needs the permission articles:write.
    """
    if body.slug != slug:
        raise Problem("invalid-request", f"The plan's slug is {body.slug}: put it there.")
    await changes.plan(actor, body, seen=if_match)
    async with database.reading() as session:
        row = await known_experiment(session, slug)
    response.headers["ETag"] = etag_of(facts_of(row))
    return ExperimentOut.of(row, context.clocks.business())


@router.post("/{slug}/start", summary="Start an experiment", status_code=204)
async def post_start(
    slug: ExperimentName, actor: Changes, changes: AppExperimentChanges, if_match: IfMatch = None
) -> Response:
    """From now on it can't be changed; 409 `another-experiment` while another one runs.

    Needs the permission articles:write.
    """
    await changes.start(actor, slug, seen=if_match)
    return Response(status_code=204)


@router.post("/{slug}/stop", summary="Stop an experiment", status_code=204)
async def post_stop(
    slug: ExperimentName, actor: Changes, changes: AppExperimentChanges
) -> Response:
    """Before its end: then it has no verdict. Needs the permission articles:write."""
    await changes.stop(actor, slug)
    return Response(status_code=204)


@router.delete("/{slug}", summary="Delete a plan", status_code=204)
async def delete_experiment(
    slug: ExperimentName, actor: Changes, changes: AppExperimentChanges, if_match: IfMatch = None
) -> Response:
    """409 `experiment-begun` once it was started. Needs the permission articles:write."""
    await changes.drop(actor, slug, seen=if_match)
    return Response(status_code=204)


@router.get("/{slug}/results", summary="Read what an experiment has shown")
async def read_results(
    slug: ExperimentName, _: SeesFigures, session: ReportSession, context: AppContext
) -> ExperimentResults:
    """404 before its start. Needs the permission reports:read."""
    results = ExperimentResults.of(await experiment_report(session, context, slug))
    if results is None:
        raise Problem("not-found", f"The experiment {slug} wasn't started: start it first.")
    return results
