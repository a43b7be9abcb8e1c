"""Issuing a session's access token, which carries the reader's live grants."""

import secrets
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.grants.entitlement import entitlements
from service.grants.store import grants_of
from service.settings import Settings
from service.tokens.claims import access_claims
from service.tokens.keys import KeyRingHolder
from service.tokens.schemas import IssuedToken
from service.tokens.signing import sign

CLIENT_ID = "browser"
SCOPE = "articles:read"


async def issue_access_token(
    session: AsyncSession,
    *,
    reader_id: str,
    session_id: str,
    key_ring: KeyRingHolder,
    settings: Settings,
    clocks: Clocks,
) -> IssuedToken:
    """A new token for the session; it lives PAYWALL_ACCESS_TOKEN_MINUTES by wall time."""
    life = timedelta(minutes=settings.access_token_minutes)
    held = await grants_of(session, reader_id)
    claims = access_claims(
        issuer=settings.public_url,
        audience=settings.publication,
        reader_id=reader_id,
        session_id=session_id,
        client_id=CLIENT_ID,
        scope=SCOPE,
        entitlements=entitlements(held, clocks.business()),
        token_id=secrets.token_hex(12),
        now=clocks.wall(),
        life=life,
    )
    token = sign(claims, key_ring.current.active)
    return IssuedToken(access_token=token, expires_in=int(life.total_seconds()))
