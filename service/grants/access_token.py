"""Issuing a session's access token, which carries the reader's live grants."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.tables import ReaderSession
from service.grants.entitlement import entitlements, reading_scope
from service.grants.store import live_grants_of
from service.identity.readers import find_reader
from service.identity.sessions import live_session
from service.tokens.claims import ACCOUNT, Entitlement, access_claims
from service.tokens.keys import KeyRingHolder
from service.tokens.routes import AppKeyRing
from service.tokens.schemas import IssuedToken
from service.tokens.signing import sign


@dataclass(frozen=True)
class AccessTokens:
    """Issues the access tokens of one application."""

    context: Context
    key_ring: KeyRingHolder

    async def issue(self, session: AsyncSession, signed_in: ReaderSession) -> IssuedToken:
        """A new token for reading; it lives PAYWALL_ACCESS_TOKEN_MINUTES by wall time."""
        reader = await find_reader(session, signed_in.reader_id)
        is_verified = reader is not None and reader.email_verified_at is not None
        now = self.context.clocks.business()
        held = await live_grants_of(session, signed_in.reader_id, now)
        return self._signed(signed_in, reading_scope(verified=is_verified), entitlements(held, now))

    def issue_for_account(self, signed_in: ReaderSession) -> IssuedToken:
        """A new token for an app's account calls, which opens no article."""
        return self._signed(signed_in, ACCOUNT, ())

    def _signed(
        self, signed_in: ReaderSession, scope: str, held: tuple[Entitlement, ...]
    ) -> IssuedToken:
        settings = self.context.settings
        life = timedelta(minutes=settings.access_token_minutes)
        claims = access_claims(
            issuer=settings.public_url,
            audience=settings.publication,
            reader_id=signed_in.reader_id,
            session_id=signed_in.id,
            client_id=signed_in.kind,
            scope=scope,
            entitlements=held,
            token_id=secrets.token_hex(12),
            now=self.context.clocks.wall(),
            life=life,
        )
        token = sign(claims, self.key_ring.current.active)
        return IssuedToken(access_token=token, expires_in=int(life.total_seconds()))

    async def issue_for(self, session_id: str) -> IssuedToken | None:
        """A new token for the session with this id; None where it has ended."""
        now, settings = self.context.clocks.wall(), self.context.settings
        async with self.context.database.reading() as session:
            found = await live_session(session, session_id, now=now, settings=settings)
            return await self.issue(session, found[0]) if found is not None else None


async def access_tokens_of(context: AppContext, key_ring: AppKeyRing) -> AccessTokens:
    return AccessTokens(context, key_ring)


AppAccessTokens = Annotated[AccessTokens, Depends(access_tokens_of)]
