"""Tokens that are refused before they expire, by what they claim: `sid`, `jti` or `sub`.

Never by a token's text: an ECDSA signature has two valid spellings (identity.md, JWTs). A row is kept
until the last token that it could mean has died.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables.tokens import RevokedClaim
from service.db.upsert import insert_for
from service.tokens.claims import LONGEST_LEEWAY, LONGEST_LIFE, Claims

Claim = Literal["sid", "jti", "sub"]
KEPT_FOR = LONGEST_LIFE + 2 * LONGEST_LEEWAY
"""Life, the verifier's leeway, and as much for a clock that is ahead where the token was signed."""
RevokedClaims = Mapping[tuple[Claim, str], datetime]


async def revoke_claim(session: AsyncSession, claim: Claim, value: str, *, now: datetime) -> None:
    """Refuse all tokens issued before `now` (wall time) whose claim has this value.

    For `sub` and `sid`, what is issued later is valid; a `jti` is refused for good. Repeating it moves
    the time forwards, never back. The service follows within a round of background work, verifiers
    elsewhere when the tokens expire.
    """
    row = {"claim": claim, "value": value, "issued_before": now, "forget_at": now + KEPT_FOR}
    statement = insert_for(session, RevokedClaim).values(**row)
    is_later = statement.excluded.issued_before > RevokedClaim.issued_before
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["claim", "value"],
            set_={
                name: case((is_later, statement.excluded[name]), else_=getattr(RevokedClaim, name))
                for name in ("issued_before", "forget_at")
            },
        )
    )


async def revoked_claims(session: AsyncSession, *, now: datetime) -> RevokedClaims:
    """What is revoked, with the time before which a token must have been issued to be refused."""
    found = await session.execute(
        select(RevokedClaim.claim, RevokedClaim.value, RevokedClaim.issued_before).where(
            RevokedClaim.forget_at > now
        )
    )
    return {(cast("Claim", claim), value): before for claim, value, before in found}


async def prune_revoked(database: Database, *, now: datetime) -> None:
    """Delete what no living token can claim any more."""
    await in_parts(database, delete(RevokedClaim), RevokedClaim.forget_at <= now)


def is_revoked(claims: Claims, revoked: RevokedClaims) -> bool:
    """Whether one of the claims was revoked since the token was issued."""
    if not revoked:
        return False
    if ("jti", claims.jti) in revoked:
        return True
    named: list[tuple[Claim, str]] = [("sub", claims.sub)]
    if claims.sid is not None:
        named.append(("sid", claims.sid))
    times = (revoked.get(each) for each in named)
    return any(before is not None and claims.iat < before.timestamp() for before in times)
