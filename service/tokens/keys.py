"""The life of the signing keys: next, active, retiring, revoked.

A key is published (state next) for ten minutes before it signs, and stays published (retiring) until
the last token it signed has died, so a planned rotation refuses nobody. A revoked key leaves the key
set at once and its private half is erased. Every change takes a turn over all processes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables.tokens import SigningKey
from service.db.turns import take_key
from service.tokens.claims import LONGEST_LEEWAY, LONGEST_LIFE
from service.tokens.key_pairs import (
    Algorithm,
    KeyRefused,
    KeyUnreadable,
    PrivateKey,
    check_jwk,
    generate,
    public_half,
    seal,
    unseal,
)
from service.tokens.ring import PUBLISHED, KeyRing, State

JWKS_MAX_AGE = timedelta(seconds=300)
PUBLISHED_BEFORE_USE = timedelta(minutes=10)
SLOWEST_REFRESH = timedelta(seconds=60)
"""The longest `background_interval_seconds`: so long another process may sign with the old key."""
RETIRING_FOR = LONGEST_LIFE + LONGEST_LEEWAY + SLOWEST_REFRESH + JWKS_MAX_AGE


@dataclass(frozen=True)
class KeySummary:
    """A key as an operator sees it, without any key material."""

    kid: str
    algorithm: str
    state: State
    created_at: datetime
    state_since: datetime


async def ensure_keys(
    session: AsyncSession, *, algorithm: Algorithm, encryption_key: bytes, now: datetime
) -> None:
    """Make the active and the next key where absent; run at each start, by any number of processes.

    A next key of another algorithm than the settings want is made anew: it has signed nothing yet,
    and the active one goes on until the next rotation. KeyUnreadable when the active key can't be
    read: better at the start than at the first token.
    """
    await _take_turn(session)
    present = {row.state: row for row in await _rows(session)}
    if "next" in present and present["next"].algorithm != algorithm:
        await session.delete(present.pop("next"))
    for state in ("active", "next"):
        if state not in present:
            _add(session, state, algorithm, encryption_key=encryption_key, now=now)
    if "active" in present:
        _private_key(present["active"], encryption_key)


async def rotate(
    session: AsyncSession, *, algorithm: Algorithm, encryption_key: bytes, now: datetime
) -> str:
    """Let the next key sign and make a new next one; answers the kid that signs now.

    KeyRefused while the next key is younger than ten minutes: verifiers may not have seen it yet.
    """
    await _take_turn(session)
    upcoming = await _only(session, "next")
    ready_at = upcoming.created_at + PUBLISHED_BEFORE_USE
    if now < ready_at:
        raise KeyRefused(
            f"The next key has been published only since {upcoming.created_at:%H:%M:%S} UTC; "
            f"frontends may not know it yet. Rotate after {ready_at:%H:%M:%S} UTC, "
            "or revoke the active key if it has leaked."
        )
    _private_key(upcoming, encryption_key)
    _move(await _only(session, "active"), "retiring", now)
    _promote(session, upcoming, algorithm, encryption_key=encryption_key, now=now)
    return upcoming.kid


async def import_key(
    session: AsyncSession,
    key: PrivateKey,
    *,
    algorithm: Algorithm,
    encryption_key: bytes,
    now: datetime,
) -> None:
    """Make `key` the next one; it signs after a rotation, ten minutes from now at the soonest.

    The former next key is dropped: it has signed nothing. KeyRefused for a key that is or was here,
    revoked ones above all, and for another algorithm than the settings want.
    """
    if key.algorithm != algorithm:
        raise KeyRefused(
            f"The key signs with {key.algorithm}, but new keys are to sign with {algorithm}. "
            f"Set PAYWALL_TOKEN_ALGORITHM={key.algorithm} everywhere first, or take another key."
        )
    await _take_turn(session)
    rows = await _rows(session)
    for row in rows:
        if row.kid == key.kid:
            raise KeyRefused(f"This key is here already, as {row.kid}: it is {row.state}.")
    for row in rows:
        if row.state == "next":
            await session.delete(row)
    session.add(stored(key, "next", encryption_key=encryption_key, now=now))


async def revoke(
    session: AsyncSession,
    kid: str,
    *,
    algorithm: Algorithm,
    encryption_key: bytes,
    now: datetime,
) -> None:
    """Refuse every token of a key from now on; a second revocation changes nothing.

    In place of a revoked active key the next one signs at once, however young; verifiers that know
    only an older key set follow when theirs expires (`JWKS_MAX_AGE`). KeyRefused for an unknown kid.
    """
    await _take_turn(session)
    row = await session.get(SigningKey, kid, populate_existing=True)
    if row is None:
        raise KeyRefused(f"There is no key {kid}. `paywall keys list` shows all of them.")
    former = row.state
    if former == "revoked":
        return
    if former == "active":
        upcoming = await _only(session, "next")
        _private_key(upcoming, encryption_key)
        _promote(session, upcoming, algorithm, encryption_key=encryption_key, now=now)
    elif former == "next":
        _add(session, "next", algorithm, encryption_key=encryption_key, now=now)
    _move(row, "revoked", now)
    row.private_encrypted = ""


async def prune(session: AsyncSession, *, now: datetime) -> list[str]:
    """Delete retiring keys whose last token has died; answers their kids."""
    await _take_turn(session)
    deleted = await session.scalars(
        delete(SigningKey)
        .where(SigningKey.state == "retiring", SigningKey.state_since <= now - RETIRING_FOR)
        .returning(SigningKey.kid)
    )
    return list(deleted)


async def list_keys(session: AsyncSession) -> list[KeySummary]:
    """All keys, oldest first, revoked ones included."""
    return [
        KeySummary(
            row.kid, row.algorithm, cast("State", row.state), row.created_at, row.state_since
        )
        for row in await _rows(session)
    ]


class KeyRingHolder:
    """The current ring of one process.

    `refresh` is called at start and then in each round of background work, so that all processes
    follow a rotation or revocation within seconds.
    """

    def __init__(self, encryption_key: bytes) -> None:
        self._encryption_key = encryption_key
        self._ring: KeyRing | None = None
        self._seen: list[tuple[str, str]] = []

    @property
    def trouble(self) -> str:
        """Why nothing can be signed; empty: it can."""
        if self._ring is None:
            return "not loaded"
        return "" if self._ring.signing_key is not None else "PAYWALL_SECRET_KEY can't read them"

    @property
    def current(self) -> KeyRing:
        """The ring as of the last refresh; KeyRefused before the first."""
        if self._ring is None:
            raise KeyRefused("The signing keys aren't loaded yet. Start the service completely.")
        return self._ring

    async def refresh(self, database: Database) -> None:
        """Read the keys again; the ring stays the same object while nothing has changed."""
        async with database.reading() as session:
            rows = await _rows(session)
        seen = [(row.kid, row.state) for row in rows]
        if self._ring is None or seen != self._seen:
            self._ring = _ring(rows, self._encryption_key)
            self._seen = seen


async def _take_turn(session: AsyncSession) -> None:
    """Wait until no other transaction changes keys."""
    await take_key(session, "signing keys")


async def _rows(session: AsyncSession) -> Sequence[SigningKey]:
    query = select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)
    return (await session.scalars(query, execution_options={"populate_existing": True})).all()


async def _only(session: AsyncSession, state: State) -> SigningKey:
    for row in await _rows(session):
        if row.state == state:
            return row
    raise KeyRefused(f"There is no {state} key yet. Start the service once; it makes its keys.")


def _add(
    session: AsyncSession,
    state: State,
    algorithm: Algorithm,
    *,
    encryption_key: bytes,
    now: datetime,
) -> None:
    session.add(stored(generate(algorithm), state, encryption_key=encryption_key, now=now))


def stored(key: PrivateKey, state: State, *, encryption_key: bytes, now: datetime) -> SigningKey:
    """The row of a new key pair, its private half sealed."""
    return SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        private_encrypted=seal(key, encryption_key),
        public_jwk=json.dumps(public_half(key).jwk()),
        state=state,
        created_at=now,
        state_since=now,
    )


def _move(row: SigningKey, state: State, now: datetime) -> None:
    row.state = state
    row.state_since = now


def _promote(
    session: AsyncSession,
    upcoming: SigningKey,
    algorithm: Algorithm,
    *,
    encryption_key: bytes,
    now: datetime,
) -> None:
    _move(upcoming, "active", now)
    _add(session, "next", algorithm, encryption_key=encryption_key, now=now)


def _private_key(row: SigningKey, encryption_key: bytes) -> PrivateKey:
    return unseal(
        row.private_encrypted,
        kid=row.kid,
        algorithm=cast("Algorithm", row.algorithm),
        encryption_key=encryption_key,
    )


def _ring(rows: Sequence[SigningKey], encryption_key: bytes) -> KeyRing:
    keys = tuple(check_jwk(json.loads(row.public_jwk)) for row in rows if row.state in PUBLISHED)
    for row in rows:
        if row.state == "active":
            return KeyRing(keys, row.kid, _readable(row, encryption_key))
    raise KeyRefused("There are no signing keys yet. Start the service once; it makes its keys.")


def _readable(row: SigningKey, encryption_key: bytes) -> PrivateKey | None:
    try:
        return _private_key(row, encryption_key)
    except KeyUnreadable:
        return None
