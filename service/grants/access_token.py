"""Issuing a session's access token, which carries the reader's live grants."""

import secrets
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.tables import ReaderSession
from service.grants.entitlement import entitlements, reading_scope
from service.grants.store import live_grants_of
from service.identity.readers import find_reader
from service.settings import Settings
from service.tokens.claims import access_claims
from service.tokens.keys import KeyRingHolder
from service.tokens.schemas import IssuedToken
from service.tokens.signing import sign


async def issue_access_token(
    session: AsyncSession,
    *,
    signed_in: ReaderSession,
    key_ring: KeyRingHolder,
    settings: Settings,
    clocks: Clocks,
) -> IssuedToken:
    """A new token for the session; it lives PAYWALL_ACCESS_TOKEN_MINUTES by wall time."""
    life = timedelta(minutes=settings.access_token_minutes)
    reader = await find_reader(session, signed_in.reader_id)
    is_verified = reader is not None and reader.email_verified_at is not None
    now = clocks.business()
    held = await live_grants_of(session, signed_in.reader_id, now)
    claims = access_claims(
        issuer=settings.public_url,
        audience=settings.publication,
        reader_id=signed_in.reader_id,
        session_id=signed_in.id,
        client_id=signed_in.kind,
        scope=reading_scope(verified=is_verified),
        entitlements=entitlements(held, now),
        token_id=secrets.token_hex(12),
        now=clocks.wall(),
        life=life,
    )
    token = sign(claims, key_ring.current.active)
    return IssuedToken(access_token=token, expires_in=int(life.total_seconds()))
