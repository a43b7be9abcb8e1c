"""Readers' sessions: families of refresh tokens, each a signed-in browser or app.

A token is exchanged for its successor when it is used for a new access token. For 30 s, by whichever
instance's clock, the previous one still gets that same successor: parallel tabs sign nobody out. It gets it
however late as long as nobody has used that successor: the answer with it was lost. A caller who comes
with it once the successor is in use and the 30 s are over, or with an older one, holds a copy: the family
ends. A token that has just been made isn't exchanged again within those 30 s, so however many ask at
once, there is one successor.

Of a token only the hash is stored. What it is made of, and how its successor is kept: refresh_tokens.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Literal

from sqlalchemy import ColumnElement, Select, and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.db.base import new_id
from service.db.tables import Reader, ReaderSession
from service.identity.cookies import clear_cookie, set_cookie
from service.identity.readers import is_erased, take_turn
from service.identity.refresh_tokens import new_token, sealed, session_in, unsealed
from service.identity.secrets import hash_secret
from service.problems import Problem
from service.settings import Settings

GRACE = timedelta(seconds=30)
CLOCKS_APART = timedelta(minutes=1)
"""The most by which the clocks of two instances may differ (identity.md, JWTs: the leeway)."""
USED_AT_RESOLUTION = timedelta(hours=1)
"""`used_at` is written at most this often, so that a read needs no write."""
Kind = Literal["browser", "app"]
Method = Literal["link", "code", "purchase"]
"""By which somebody has shown who they are: the link or the code of a mail, or what they have just bought."""
SessionEnd = Literal[
    "signed_out",
    "replaced",
    "too_many_devices",
    "reused",
    "verified",
    "merged",
    "address_changed",
    "erased",
]


@dataclass(frozen=True)
class OpenedSession:
    """A session with its present token, which is stored as a hash only."""

    id: str
    token: str


async def open_session(
    session: AsyncSession,
    *,
    reader_id: str,
    now: datetime,
    settings: Settings,
    method: Method | None = None,
    kind: Kind = "browser",
    device: str | None = None,
    label: str = "",
) -> OpenedSession:
    """Open a session for the reader. `device` is its pseudonym, `now` wall time; `method` None: nobody signed in.

    The same device's former session ends, and so do those beyond `devices_per_reader`, the ones
    unused for longest first; exact under any concurrency. An erased reader is the problem
    `unauthenticated`.
    """
    await take_turn(session, reader_id)
    if await is_erased(session, reader_id):
        raise Problem("unauthenticated", "The account was erased. Sign in to begin a new one.")
    session_id = new_id("ses")
    opened = OpenedSession(session_id, new_token(session_id, settings))
    live = await live_sessions(session, reader_id, now=now, settings=settings)
    for former in live:
        if device is not None and former.device_id == device:
            await end_session(session, former.id, now, "replaced")
    others = [each for each in live if device is None or each.device_id != device]
    for surplus in others[settings.devices_per_reader - 1 :]:
        await end_session(session, surplus.id, now, "too_many_devices")
    session.add(
        ReaderSession(
            id=opened.id,
            secret_hash=hash_secret(opened.token),
            reader_id=reader_id,
            device_id=device,
            kind=kind,
            label=label,
            method=method or "",
            created_at=now,
            used_at=now,
            expires_at=now + timedelta(days=settings.session_days),
        )
    )
    await session.flush()
    return opened


async def live_sessions(
    session: AsyncSession, reader_id: str, *, now: datetime, settings: Settings
) -> list[ReaderSession]:
    """The reader's signed-in devices, the one used last first."""
    found = await session.scalars(
        select(ReaderSession)
        .where(ReaderSession.reader_id == reader_id, _is_live(now, settings))
        .order_by(
            ReaderSession.used_at.desc(), ReaderSession.created_at.desc(), ReaderSession.id.desc()
        )
    )
    return list(found)


async def find_session(
    session: AsyncSession, token: str, *, now: datetime, settings: Settings
) -> "tuple[ReaderSession, Reader] | Reused | None":
    """The live session of this token and whose it is, without any effect; None when ended, idle or unknown.

    `Reused` for a former token that is good no more: the caller ends that session. Where it
    `is_first_use`, the caller notes that.
    """
    session_id = session_in(token, settings)
    if session_id is None:
        return None
    found = await live_session(session, session_id, now=now, settings=settings)
    if found is None:
        return None
    row, reader = found
    presented = hash_secret(token)
    if presented == row.secret_hash or _gets_successor(row, presented, now):
        return row, reader
    return Reused(row.id)


def is_first_use(found: ReaderSession, token: str) -> bool:
    """Whether this is the present token, and nobody has used it before."""
    return not found.successor_used and hash_secret(token) == found.secret_hash


async def note_first_use(session: AsyncSession, token: str, session_id: str) -> None:
    """The answer with this token has arrived: from now on the one before it is worth nothing, after its
    grace.
    """
    await session.execute(
        update(ReaderSession)
        .where(ReaderSession.id == session_id, ReaderSession.secret_hash == hash_secret(token))
        .values(successor_used=True)
    )


def has_arrived(found: ReaderSession, issued_at: int) -> bool:
    """Whether an access token issued then (seconds) came in the answer with the present token, or later.

    Apps show the token itself for the next exchange alone: their access tokens say that they have it.
    """
    rotated_at = found.rotated_at
    return (
        not found.successor_used
        and rotated_at is not None
        and issued_at >= int(rotated_at.timestamp())
    )


async def note_arrival(session: AsyncSession, found: ReaderSession) -> None:
    """As `note_first_use`, where another token says so."""
    await session.execute(
        update(ReaderSession)
        .where(ReaderSession.id == found.id, ReaderSession.secret_hash == found.secret_hash)
        .values(successor_used=True)
    )


@dataclass(frozen=True)
class Reused:
    """A token that was exchanged, and its successor used: somebody holds a copy. End the session."""

    session_id: str


@dataclass(frozen=True)
class Refreshed:
    """The session, and the token to use from now on."""

    session: ReaderSession
    token: str


async def refresh_session(
    session: AsyncSession, token: str, *, now: datetime, settings: Settings
) -> Refreshed | None:
    """Exchange the token for its successor; None when the session has ended, or ends by this."""
    row = await _row(session, token, now=now, settings=settings)
    if row is None:
        return None
    presented = hash_secret(token)
    if presented == row.secret_hash:
        if row.rotated_at is not None and now - row.rotated_at < GRACE:
            if is_first_use(row, token):
                await note_first_use(session, token, row.id)
            return Refreshed(row, token)
        successor = new_token(row.id, settings)
        if await _rotate(session, row.id, presented, token, successor, now):
            return Refreshed(row, successor)
        # Another request was first: what it stored decides.
        row = await _row(session, token, now=now, settings=settings)
        if row is None:
            return None
    if row.successor_sealed is not None and _gets_successor(row, presented, now):
        return Refreshed(row, unsealed(row.successor_sealed, token))
    await end_session(session, row.id, now, "reused")
    return None


async def _rotate(
    session: AsyncSession,
    session_id: str,
    presented: str,
    token: str,
    successor: str,
    now: datetime,
) -> bool:
    changed = await session.execute(
        update(ReaderSession)
        .where(
            ReaderSession.id == session_id,
            ReaderSession.secret_hash == presented,
            ReaderSession.ended_at.is_(None),
        )
        .values(
            secret_hash=hash_secret(successor),
            previous_hash=presented,
            successor_sealed=sealed(successor, token),
            successor_used=False,
            rotated_at=now,
            used_at=now,
        )
        .returning(ReaderSession.id)
        .execution_options(synchronize_session=False)
    )
    return changed.one_or_none() is not None


async def _row(
    session: AsyncSession, token: str, *, now: datetime, settings: Settings
) -> ReaderSession | None:
    session_id = session_in(token, settings)
    if session_id is None:
        return None
    found: ReaderSession | None = await session.scalar(
        select(ReaderSession)
        .where(ReaderSession.id == session_id, _is_live(now, settings))
        .execution_options(populate_existing=True)
    )
    return found


async def live_session(
    session: AsyncSession, session_id: str, *, now: datetime, settings: Settings
) -> tuple[ReaderSession, Reader] | None:
    """The session with this id and whose it is, unless it has ended."""
    found = await session.execute(
        _live_by_id(),
        {"session_id": session_id, "now": now, "idle_since": _idle_since(now, settings)},
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


@cache
def _live_by_id() -> Select[ReaderSession, Reader]:
    """Built once: it takes longer than to execute it, and each request of a signed-in reader asks it."""
    return (
        select(ReaderSession, Reader)
        .join(Reader, Reader.id == ReaderSession.reader_id)
        .where(
            ReaderSession.id == bindparam("session_id"),
            ReaderSession.ended_at.is_(None),
            ReaderSession.expires_at > bindparam("now"),
            ReaderSession.used_at > bindparam("idle_since"),
        )
        .execution_options(populate_existing=True)
    )


def _is_live(now: datetime, settings: Settings) -> ColumnElement[bool]:
    return and_(
        ReaderSession.ended_at.is_(None),
        ReaderSession.expires_at > now,
        ReaderSession.used_at > _idle_since(now, settings),
    )


def _idle_since(now: datetime, settings: Settings) -> datetime:
    return now - timedelta(days=settings.session_idle_days)


def _gets_successor(row: ReaderSession, presented: str, now: datetime) -> bool:
    """Whether it is the parent of a token that nobody has used yet, or still has its grace."""
    if presented != row.previous_hash or row.rotated_at is None:
        return False
    # A clock that was set back lengthens the grace; it never signs anybody out. Nor does another
    # instance whose clock is ahead of the one that rotated.
    return not row.successor_used or now - row.rotated_at < GRACE + CLOCKS_APART


def was_idle(found: ReaderSession, now: datetime) -> bool:
    """Whether the session's last use was noted so long ago that it has to be noted again."""
    return now - found.used_at >= USED_AT_RESOLUTION


async def touch_session(session: AsyncSession, session_id: str, now: datetime) -> None:
    """Note the use of a session, so that it doesn't end as idle."""
    await session.execute(
        update(ReaderSession)
        .where(ReaderSession.id == session_id, ReaderSession.used_at < now)
        .values(used_at=now)
    )


async def end_session(
    session: AsyncSession, session_id: str, now: datetime, reason: SessionEnd
) -> None:
    """End the session; one that has ended stays as it is."""
    await _end(session, ReaderSession.id == session_id, now, reason)


async def end_own_session(
    session: AsyncSession, session_id: str, reader_id: str, *, now: datetime, settings: Settings
) -> bool:
    """Sign out one of the reader's own devices; False where they have no such session."""
    found = await live_session(session, session_id, now=now, settings=settings)
    if found is None or found[1].id != reader_id:
        return False
    await end_session(session, session_id, now, "signed_out")
    return True


async def end_sessions_of(
    session: AsyncSession, reader_id: str, now: datetime, reason: SessionEnd
) -> None:
    """End all sessions of the reader."""
    # In turn with a call that opens one and ends others for it: two that each hold a row and want the
    # other's would wait for one another.
    await take_turn(session, reader_id)
    await _end(session, ReaderSession.reader_id == reader_id, now, reason)


async def _end(
    session: AsyncSession, which: ColumnElement[bool], now: datetime, reason: SessionEnd
) -> None:
    await session.execute(
        update(ReaderSession)
        .where(which, ReaderSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason, successor_sealed=None)
    )


def set_session_cookie(response: Response, token: str, settings: Settings) -> None:
    set_cookie(response, "session", token, settings, max_age=settings.session_days * 86_400)


def clear_session_cookie(response: Response, settings: Settings) -> None:
    clear_cookie(response, "session", settings)


def begin_anew(response: Response, settings: Settings) -> None:
    """Forget also the device: what it has read isn't tied to an account any more."""
    sign_out_here(response, settings)
    clear_cookie(response, "device", settings)


def sign_out_here(response: Response, settings: Settings) -> None:
    """Forget the session, and the claim of a purchase, which would sign in again.

    The cache goes too, and with it the pages that "back" would show. Storage may be the site's own.
    """
    response.headers["Clear-Site-Data"] = '"cache"'
    clear_session_cookie(response, settings)
    clear_cookie(response, "checkout", settings)
