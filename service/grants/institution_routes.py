"""Institutions, kept by the staff, and joined by readers in their networks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select

from service.db.context import AppContext
from service.db.keyset import Keyset
from service.db.session import ReportSession, WriteSession
from service.db.tables import Institution
from service.grants.institution_schemas import (
    InstitutionIn,
    InstitutionList,
    InstitutionOut,
    InstitutionSlug,
    JoinedOut,
)
from service.grants.institutions import (
    end_institution,
    find_institution,
    join_by_network,
    put_institution,
)
from service.html.list_query import AnyPage
from service.identity.callers import Actor, SignedInReader, requires
from service.identity.permissions import Permission
from service.limits.addresses import client_address

router = APIRouter(tags=["grants"])
_BY_SLUG = Keyset(Institution.slug, newest_first=False)

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.get("/v1/admin/institutions", summary="List institutions")
async def read_all(_: ReadsSubscribers, asked: AnyPage, session: ReportSession) -> InstitutionList:
    """By their slugs. Needs the permission subscribers:read."""
    page = await _BY_SLUG.page(session, select(Institution), cursor=asked.cursor, limit=asked.limit)
    return InstitutionList.of(page.map(InstitutionOut.of))


@router.put("/v1/admin/institutions/{slug}", summary="Store an institution")
async def put(
    slug: InstitutionSlug,
    body: InstitutionIn,
    actor: ChangesSubscribers,
    session: WriteSession,
    context: AppContext,
) -> InstitutionOut:
    """Readers with a confirmed address at its domains read by it at once; repeating changes nothing.

    Needs the permission subscribers:write.
    """
    row = await put_institution(session, context, slug, body.terms(), actor=actor.label)
    return InstitutionOut.of(row)


@router.get("/v1/admin/institutions/{slug}", summary="Read an institution")
async def read(
    slug: InstitutionSlug, _: ReadsSubscribers, session: ReportSession
) -> InstitutionOut:
    """What is agreed with it. Needs the permission subscribers:read."""
    return InstitutionOut.of(await find_institution(session, slug))


@router.delete("/v1/admin/institutions/{slug}", summary="End an institution's contract")
async def end(
    slug: InstitutionSlug, actor: ChangesSubscribers, session: WriteSession, context: AppContext
) -> InstitutionOut:
    """End it now, for all its members; repeating changes nothing. Needs subscribers:write."""
    return InstitutionOut.of(await end_institution(session, context, slug, actor=actor.label))


@router.post("/v1/me/institution", summary="Join by the network")
async def join(
    request: Request, caller: SignedInReader, session: WriteSession, context: AppContext
) -> JoinedOut:
    """Read by the contract of the institution in whose network the reader is, for 30 days from anywhere.

    404 in any other network.
    """
    address = client_address(request, context.settings)
    row, until = await join_by_network(
        session, context, reader_id=caller.reader_id, address=address
    )
    return JoinedOut(institution=row.name, until=until)
