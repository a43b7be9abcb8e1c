"""Institutions, joined by readers in their networks."""

from fastapi import APIRouter, Request

from service.db.context import AppContext
from service.db.session import WriteSession
from service.grants.institution_schemas import JoinedOut
from service.grants.institutions import join_by_network
from service.identity.callers import SignedInReader
from service.limits.addresses import client_address

router = APIRouter(tags=["grants"])


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
