"""Exchanging a session's token for an access token and the session's next token."""

from service.clock import Clocks
from service.db.session import Database
from service.grants.access_token import issue_access_token
from service.identity.sessions import refresh_session
from service.problems import Problem
from service.settings import Settings
from service.tokens.keys import KeyRingHolder
from service.tokens.schemas import IssuedToken


async def refreshed_token(
    database: Database, token: str, *, key_ring: KeyRingHolder, settings: Settings, clocks: Clocks
) -> tuple[IssuedToken, str]:
    """A new access token, and the session's token from now on. Raises `unauthenticated`."""
    issued = None
    # A token that was used before ends its family: that is committed, then answered.
    async with database.transaction() as session:
        refreshed = await refresh_session(session, token, now=clocks.wall(), settings=settings)
        if refreshed is not None:
            issued = await issue_access_token(
                session,
                signed_in=refreshed.session,
                key_ring=key_ring,
                settings=settings,
                clocks=clocks,
            )
    if refreshed is None or issued is None:
        raise Problem("unauthenticated", "Sign in first: the session is missing or has ended.")
    return issued, refreshed.token
