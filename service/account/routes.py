"""A reader's session: tokens for it, and its end."""

from fastapi import APIRouter, Response

from service.clock import AppClocks
from service.db.session import ReadSession, WriteSession
from service.grants.access_token import issue_access_token
from service.identity.callers import SignedInReader
from service.identity.sessions import clear_session_cookie, end_session
from service.settings import AppSettings
from service.tokens.routes import AppKeyRing
from service.tokens.schemas import IssuedToken

router = APIRouter(prefix="/v1/session", tags=["session"])


@router.post("/token", summary="Issue an access token")
async def create_token(
    caller: SignedInReader,
    session: ReadSession,
    key_ring: AppKeyRing,
    settings: AppSettings,
    clocks: AppClocks,
) -> IssuedToken:
    """An access token for the session in the cookie. Any edge verifies it with our public keys."""
    return await issue_access_token(
        session,
        reader_id=caller.reader_id,
        session_id=caller.session_id,
        key_ring=key_ring,
        settings=settings,
        clocks=clocks,
    )


@router.delete("", status_code=204, summary="Sign out")
async def sign_out(
    caller: SignedInReader,
    response: Response,
    session: WriteSession,
    settings: AppSettings,
    clocks: AppClocks,
) -> None:
    """End the session here and in the browser."""
    await end_session(session, caller.session_id, clocks.wall())
    clear_session_cookie(response, settings)
