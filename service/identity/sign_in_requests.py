"""Links and codes that sign in: made, looked up, used once.

A link holds 256 random bits and works in any browser. A code has six digits: it works only with the
request's id, in the browser that asked, for five tries.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import SignInRequest
from service.identity.email import EmailAddress
from service.identity.secrets import derived_key, hash_secret, new_secret
from service.settings import Settings

LIFE = timedelta(minutes=10)
OPERATORS_LINK_LIFE = timedelta(minutes=60)
MOST_TRIES = 5
_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """A stored request with its secrets, which are stored as hashes only."""

    id: str
    link: str
    code: str


async def ask(
    session: AsyncSession,
    address: EmailAddress,
    *,
    device: str,
    reader_id: str | None,
    return_to: str,
    newsletter: bool | None,
    newsletter_wording: str | None,
    settings: Settings,
    now: datetime,
) -> Asked:
    """Store a request of the browser `device` (its pseudonym). `now` is wall time.

    `reader_id` is who is signed in there without a verified address.
    """
    asked = Asked(new_id("sir"), new_secret(), f"{secrets.randbelow(1_000_000):06}")
    session.add(
        SignInRequest(
            id=asked.id,
            link_hash=hash_secret(asked.link),
            code_hash=_code_hash(asked.id, asked.code, settings),
            email=address.text,
            email_key=address.key,
            reader_id=reader_id,
            device_id=device,
            return_to=return_to,
            tries=0,
            newsletter=newsletter,
            newsletter_wording=newsletter_wording,
            created_at=now,
            expires_at=now + LIFE,
        )
    )
    await session.flush()
    return asked


async def create_sign_in_link(session: AsyncSession, *, reader_id: str, now: datetime) -> str:
    """The secret of an operator's link: it signs the reader in once, and verifies no address."""
    link = new_secret()
    session.add(
        SignInRequest(
            id=new_id("sir"),
            link_hash=hash_secret(link),
            reader_id=reader_id,
            return_to="/account",
            tries=0,
            created_at=now,
            expires_at=now + OPERATORS_LINK_LIFE,
        )
    )
    await session.flush()
    return link


async def by_link(session: AsyncSession, link: str, now: datetime) -> SignInRequest | None:
    """The request whose link this is, unless used or expired."""
    found: SignInRequest | None = await session.scalar(
        select(SignInRequest).where(
            SignInRequest.link_hash == hash_secret(link),
            SignInRequest.used_at.is_(None),
            SignInRequest.expires_at > now,
        )
    )
    return found


async def by_id(
    session: AsyncSession, request_id: str, device: str, now: datetime
) -> SignInRequest | None:
    """The request of this browser, unless used, expired or tried too often."""
    found: SignInRequest | None = await session.scalar(
        select(SignInRequest).where(
            SignInRequest.id == request_id,
            SignInRequest.device_id == device,
            SignInRequest.used_at.is_(None),
            SignInRequest.expires_at > now,
            SignInRequest.tries < MOST_TRIES,
        )
    )
    return found


async def try_code(
    session: AsyncSession, request: SignInRequest, code: str, settings: Settings
) -> bool:
    """Count the try, then say whether the code is right. Commit whatever the answer."""
    counted = await session.scalar(
        update(SignInRequest)
        .where(SignInRequest.id == request.id, SignInRequest.tries < MOST_TRIES)
        .values(tries=SignInRequest.tries + 1)
        .returning(SignInRequest.id)
    )
    expected = request.code_hash or ""
    return counted is not None and hmac.compare_digest(
        _code_hash(request.id, code, settings), expected
    )


async def use(session: AsyncSession, request: SignInRequest, now: datetime) -> bool:
    """Use the request up, and with it all that were asked for before it with the same address.

    Of any number of parallel calls exactly one gets True.
    """
    used = await session.scalar(
        update(SignInRequest)
        .where(
            SignInRequest.id == request.id,
            SignInRequest.used_at.is_(None),
            SignInRequest.expires_at > now,
        )
        .values(used_at=now)
        .returning(SignInRequest.id)
    )
    if used is None or request.email_key is None:
        return used is not None
    await session.execute(
        update(SignInRequest)
        .where(
            SignInRequest.email_key == request.email_key,
            SignInRequest.created_at <= request.created_at,
            SignInRequest.used_at.is_(None),
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    return True


async def prune(database: Database, now: datetime) -> None:
    """Delete requests a day after their end: they name addresses."""
    await in_parts(database, delete(SignInRequest), SignInRequest.expires_at <= now - _KEPT_FOR)


def _code_hash(request_id: str, code: str, settings: Settings) -> str:
    # Keyed: a thief of the database alone would try a million codes in a second.
    key = derived_key(settings, "sign-in-code")
    return hmac.digest(key, f"{request_id}.{code}".encode(), "sha256").hex()
