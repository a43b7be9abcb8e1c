"""Tokens that are refused before they expire: of sessions that ended, of grants that were taken away,
and those whose `sid`, `jti` or `sub` was revoked.

Held in memory and read again in each round of background work, so that no token waits for the
database. What is looked at are claims, never the token's text: a signature has two
valid spellings (identity.md, JWTs).
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.reasons import REASONS
from service.clock import Clocks
from service.db.session import Database
from service.db.tables import GiftLink, GiftOpening, Grant, ReaderSession
from service.tokens.claims import LONGEST_LEEWAY, LONGEST_LIFE, AccessClaims, Claims
from service.tokens.revoked import RevokedClaims, is_revoked, revoked_claims

LONGEST_MEMORY = LONGEST_LIFE + LONGEST_LEEWAY
"""After this every token that was signed before has expired."""
_REVOCABLE = tuple(row.name for row in REASONS.values() if row.revocable)


class Revocations:
    """What this process knows of what ended while tokens of it live."""

    def __init__(self) -> None:
        self._sessions: frozenset[str] = frozenset()
        self._grants: Mapping[tuple[str, str], datetime] = {}
        self._claims: RevokedClaims = {}
        self.changes = 0
        """How often what is known has changed."""

    async def refresh(self, database: Database, clocks: Clocks) -> None:
        """Read again what has ended lately, in this process or any other."""
        async with database.reading() as session:
            sessions = await _ended_sessions(session, clocks.wall() - LONGEST_MEMORY)
            grants = await _ended_grants(session, clocks) | await _ended_gifts(session, clocks)
            claims = await revoked_claims(session, now=clocks.wall())
        if (sessions, grants, claims) != (self._sessions, self._grants, self._claims):
            self._sessions, self._grants, self._claims = sessions, grants, claims
            self.changes += 1

    def refuse(self, claims: Claims) -> bool:
        """Whether the token was revoked, its session ended, or its access taken away since."""
        if claims.sid in self._sessions or is_revoked(claims, self._claims):
            return True
        if not self._grants:
            return False
        signed_for = _REVOCABLE if isinstance(claims, AccessClaims) else (claims.rsn,)
        changes = (self._grants.get((claims.sub, source)) for source in signed_for)
        return any(at is not None and claims.iat < at.timestamp() for at in changes)

    def have_ended(self, session_id: str | None, reader_id: str | None, *, since: datetime) -> bool:
        """Whether the session has ended, or access of the reader was taken away, `since` then.

        Wall time. What was revoked by a claim counts whenever that was.
        """
        if session_id in self._sessions:
            return True
        if ("sid", session_id) in self._claims or ("sub", reader_id) in self._claims:
            return True
        if not self._grants:
            return False
        changes = (self._grants.get((reader_id or "", source)) for source in _REVOCABLE)
        return any(at is not None and since <= at for at in changes)


async def _ended_sessions(session: AsyncSession, since: datetime) -> frozenset[str]:
    found = await session.scalars(select(ReaderSession.id).where(ReaderSession.ended_at > since))
    return frozenset(found)


async def _ended_grants(session: AsyncSession, clocks: Clocks) -> dict[tuple[str, str], datetime]:
    """By reader and source, the wall time at which access was taken away."""
    now = clocks.business()
    found = await session.execute(
        select(Grant.reader_id, Grant.source, Grant.updated_at)
        .where(Grant.updated_at > now - LONGEST_MEMORY, Grant.ends_at <= now)
        .order_by(Grant.updated_at)
    )
    return {(reader, source): at - clocks.offset for reader, source, at in found}


async def _ended_gifts(session: AsyncSession, clocks: Clocks) -> dict[tuple[str, str], datetime]:
    """By device and source, the wall time at which a gift link that it had opened was switched off."""
    found = await session.execute(
        select(GiftOpening.device_id, GiftLink.ended_at)
        .join(GiftLink, GiftLink.id == GiftOpening.link_id)
        .where(GiftLink.ended_at > clocks.business() - LONGEST_MEMORY)
        .order_by(GiftLink.ended_at)
    )
    return {(device, "gift"): at - clocks.offset for device, at in found if at is not None}
