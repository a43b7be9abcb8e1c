"""Institutions, kept by the staff."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext
from service.db.keyset import Keyset
from service.db.session import ReportSession
from service.db.tables import Institution
from service.grants.csv_file import ListRefused
from service.grants.institution_lists import read_institutions, store_institutions
from service.grants.institution_reads import reads_of
from service.grants.institution_schemas import (
    InstitutionFile,
    InstitutionIn,
    InstitutionList,
    InstitutionOut,
    InstitutionReadsOut,
    InstitutionReadsQuery,
    InstitutionsImported,
    InstitutionSlug,
    InstitutionStored,
    WayOut,
)
from service.grants.institutions import (
    end_institution,
    facts_of,
    find_institution,
    put_institution,
    terms_of,
)
from service.grants.shown_lists import ListChanged
from service.grants.trust import ANSWERED_WHEN_KNOWN
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch, etag_of
from service.identity.permissions import Permission
from service.problems import Problem
from service.rules.known import plan_warnings

router = APIRouter(tags=["grants"])
_MOST_ERRORS = 100
_BY_SLUG = Keyset(Institution.slug, newest_first=False)

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("/v1/admin/institutions", summary="List institutions")
async def read_all(_: ReadsSubscribers, asked: AnyPage, session: ReportSession) -> InstitutionList:
    """By their slugs. Needs the permission subscribers:read."""
    page = await _BY_SLUG.page(session, select(Institution), cursor=asked.cursor, limit=asked.limit)
    return InstitutionList.of(page.map(InstitutionOut.of))


@router.post("/v1/admin/institutions/import", summary="Import institutions")
async def import_file(
    body: InstitutionFile,
    actor: ChangesSubscribers,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> InstitutionsImported:
    """Add or replace those of the CSV, all or none: 422 `invalid-request` names the bad lines.

    Institutions that it lacks stay as they are. A dry run's ETag goes into `If-Match`: 412 `changed-meanwhile` where the
    list would do something else by now. Needs the permission subscribers:write.
    """
    try:
        rows = read_institutions(body.csv.encode(), context.settings.zone)
        found = await store_institutions(
            context, rows, actor=actor.label, dry_run=body.dry_run, seen=if_match
        )
    except ListChanged as changed:
        raise changed.problem() from changed
    except ListRefused as refused:
        errors = [{"field": "body.csv", "message": each} for each in refused.problems]
        raise Problem("invalid-request", errors=errors[:_MOST_ERRORS]) from refused
    if body.dry_run:
        response.headers["ETag"] = f'"{found.stamp}"'
    return InstitutionsImported(
        created=found.created, changed=found.changed, unchanged=found.unchanged,
        warnings=found.warnings, dry_run=body.dry_run,
    )  # fmt: skip


@router.put(
    "/v1/admin/institutions/{slug}",
    summary="Store an institution",
    dependencies=[ANSWERED_WHEN_KNOWN],
)
async def put(
    slug: InstitutionSlug,
    body: InstitutionIn,
    actor: ChangesSubscribers,
    context: AppContext,
    response: Response,
    if_match: IfMatch = None,
) -> InstitutionStored:
    """Readers with a confirmed address at its domains read by it at once; repeating changes nothing.

    Needs the permission subscribers:write.
    """

    async def store(session: AsyncSession) -> tuple[Institution, list[str]]:
        terms = body.terms()
        row = await put_institution(session, context, slug, terms, actor=actor.label, seen=if_match)
        return row, await plan_warnings(session, [row.plan])

    row, warnings = await context.database.past_deadlocks(store)
    response.headers["ETag"] = etag_of(facts_of(terms_of(row)))
    return InstitutionStored(**dict(InstitutionOut.of(row)), warnings=warnings)


@router.get("/v1/admin/institutions/{slug}", summary="Read an institution")
async def read(
    slug: InstitutionSlug, _: ReadsSubscribers, session: ReportSession, response: Response
) -> InstitutionOut:
    """What is agreed with it. The ETag goes into `If-Match`. Needs the permission subscribers:read."""
    row = await find_institution(session, slug)
    response.headers["ETag"] = etag_of(facts_of(terms_of(row)))
    return InstitutionOut.of(row)


@router.delete("/v1/admin/institutions/{slug}", summary="End an institution's contract")
async def end(
    slug: InstitutionSlug,
    actor: ChangesSubscribers,
    context: AppContext,
    if_match: IfMatch = None,
) -> InstitutionOut:
    """End it now, for all its members; repeating changes nothing. Needs subscribers:write."""
    row = await context.database.past_deadlocks(
        lambda session: end_institution(session, context, slug, actor=actor.label, seen=if_match)
    )
    return InstitutionOut.of(row)


@router.get("/v1/admin/institutions/{slug}/reads", summary="Count an institution's reads")
async def count_reads(
    slug: InstitutionSlug,
    _: ReadsSubscribers,
    asked: Annotated[InstitutionReadsQuery, Query()],
    session: ReportSession,
    context: AppContext,
) -> InstitutionReadsOut:
    """By network and domain, for its librarian. Needs the permission subscribers:read."""
    await find_institution(session, slug)
    first, last = asked.days(context.clocks.business().astimezone(context.settings.zone).date())
    ways = [WayOut(**asdict(each)) for each in await reads_of(session, slug, first, last)]
    total = sum(each.reads for each in ways)
    return InstitutionReadsOut(first=first, last=last, reads=total, ways=ways)
