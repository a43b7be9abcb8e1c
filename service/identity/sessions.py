"""Readers' sessions: an opaque secret in a cookie, its hash in the database."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.db.base import new_id
from service.db.tables import ReaderSession, SignInLink
from service.identity.cookies import clear_cookie, set_cookie
from service.identity.secrets import hash_secret, new_secret
from service.settings import Settings

SIGN_IN_LINK_MINUTES = 60
USED_AT_RESOLUTION = timedelta(hours=1)
"""`used_at` is written at most this often, so that a read needs no write."""


async def open_session(
    session: AsyncSession, *, reader_id: str, now: datetime, settings: Settings
) -> str:
    """Open a session for the reader and return its secret, which is not stored."""
    secret = new_secret()
    session.add(
        ReaderSession(
            id=new_id("ses"),
            secret_hash=hash_secret(secret),
            reader_id=reader_id,
            created_at=now,
            used_at=now,
            expires_at=now + timedelta(days=settings.session_days),
        )
    )
    await session.flush()
    return secret


async def find_session(
    session: AsyncSession, secret: str, *, now: datetime, settings: Settings
) -> ReaderSession | None:
    """The live session with this secret, or None when ended, idle for too long or unknown."""
    found = await session.scalar(
        select(ReaderSession).where(ReaderSession.secret_hash == hash_secret(secret))
    )
    if found is None or found.ended_at is not None or found.expires_at <= now:
        return None
    return found if found.used_at + timedelta(days=settings.session_idle_days) > now else None


def was_idle(found: ReaderSession, now: datetime) -> bool:
    """Whether the session's last use was noted so long ago that it has to be noted again."""
    return now - found.used_at >= USED_AT_RESOLUTION


async def touch_session(session: AsyncSession, session_id: str, now: datetime) -> None:
    """Note the use of a session, so that it doesn't end as idle."""
    found = await session.get(ReaderSession, session_id)
    if found is not None:
        found.used_at = max(found.used_at, now)


async def end_session(session: AsyncSession, session_id: str, now: datetime) -> None:
    found = await session.get(ReaderSession, session_id)
    if found is not None and found.ended_at is None:
        found.ended_at = now


async def create_sign_in_link(session: AsyncSession, *, reader_id: str, now: datetime) -> str:
    """The secret of a link that signs the reader in once, within an hour."""
    secret = new_secret()
    session.add(
        SignInLink(
            secret_hash=hash_secret(secret),
            reader_id=reader_id,
            expires_at=now + timedelta(minutes=SIGN_IN_LINK_MINUTES),
        )
    )
    await session.flush()
    return secret


async def use_sign_in_link(session: AsyncSession, secret: str, now: datetime) -> str | None:
    """The reader the link is for, once; None when it is used, expired or unknown."""
    link = await session.scalar(
        select(SignInLink).where(SignInLink.secret_hash == hash_secret(secret)).with_for_update()
    )
    if link is None or link.used_at is not None or link.expires_at <= now:
        return None
    link.used_at = now
    return link.reader_id


def set_session_cookie(response: Response, secret: str, settings: Settings) -> None:
    set_cookie(response, "session", secret, settings, max_age=settings.session_days * 86_400)


def clear_session_cookie(response: Response, settings: Settings) -> None:
    clear_cookie(response, "session", settings)
