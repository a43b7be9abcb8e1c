"""Comps, given and revoked by the staff."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.clock import AppClocks
from service.db.session import WriteSession
from service.grants.comps import give_comp, revoke_comp
from service.grants.schemas import CompIn, CompOut
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission

router = APIRouter(prefix="/v1/admin/grants", tags=["grants"])

ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]


@router.post("", status_code=201, summary="Give a comp")
async def give(
    body: CompIn, actor: ChangesSubscribers, session: WriteSession, clocks: AppClocks
) -> CompOut:
    """Give a reader access from now on. Needs the permission subscribers:write."""
    grant = await give_comp(
        session,
        reader_id=body.reader_id,
        ends_at=body.ends_at,
        note=body.note,
        actor=actor.label,
        now=clocks.business(),
    )
    return CompOut.of(grant)


@router.delete("/{grant_id}", summary="Revoke a comp")
async def revoke(
    grant_id: Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")],
    actor: ChangesSubscribers,
    session: WriteSession,
    clocks: AppClocks,
) -> CompOut:
    """End a comp now; repeating changes nothing. Needs the permission subscribers:write."""
    grant = await revoke_comp(
        session,
        grant_id,
        actor=actor.label,
        now=clocks.business(),
    )
    return CompOut.of(grant)
