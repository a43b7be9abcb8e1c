"""API keys of publishers: `pwk_<prefix>_<secret>`, shown once, stored as a hash."""

import re
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import ApiKey
from service.identity.permissions import SCOPES
from service.identity.secrets import hash_secret, new_secret, same_secret

_SHAPE = re.compile(r"pwk_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
_NO_KEY = hash_secret(new_secret())
LONGEST_LABEL = 100
USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class NewKey:
    """A key just made: its row, and its text, which can't be shown again."""

    row: ApiKey
    text: str


async def make_api_key(
    session: AsyncSession, *, label: str, scopes: Sequence[str], now: datetime
) -> NewKey:
    """Make a key. ValueError, as a clause: no scope, an unknown one, or too long a label."""
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        wrong = f"there is no scope {', '.join(unknown)}" if unknown else "it has no scope"
        raise ValueError(f"{wrong}; choose of {', '.join(sorted(SCOPES))}")
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise ValueError(f"the label isn't one line of at most {LONGEST_LABEL} characters")
    secret = new_secret()
    row = ApiKey(
        prefix=random.token_hex(5),
        secret_hash=hash_secret(secret),
        label=label,
        scopes=sorted(set(scopes)),
        created_at=now,
    )
    session.add(row)
    await session.flush()
    return NewKey(row, f"pwk_{row.prefix}_{secret}")


async def find_api_key(session: AsyncSession, text: str) -> ApiKey | None:
    """The live key with this text, or None."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    key = await session.get(ApiKey, match.group(1))
    # Compared for an unknown prefix too: its answer takes as long.
    matches = same_secret(match.group(2), key.secret_hash if key else _NO_KEY)
    return key if key is not None and matches and key.revoked_at is None else None


class KeyUses:
    """When keys were used last: noted in memory, written by a task, so that no request waits for it.

    `used_at` is exact to a minute; a use noted just before a crash is lost.
    """

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}

    def note(self, key: ApiKey, now: datetime) -> None:
        """`now` is wall time. Nothing is noted where less than a minute has passed."""
        if key.used_at is None or now - key.used_at >= USE_IS_NOTED_EVERY:
            self._noted[key.prefix] = now

    async def flush(self, database: Database) -> None:
        """Write what is noted; where the database is away, it stays noted."""
        noted = dict(self._noted)
        if not noted:
            return
        async with database.transaction() as session:
            for prefix, used_at in sorted(noted.items()):
                await session.execute(
                    update(ApiKey)
                    .where(
                        ApiKey.prefix == prefix,
                        ApiKey.used_at.is_(None) | (ApiKey.used_at < used_at),
                    )
                    .values(used_at=used_at)
                )
        for prefix, used_at in noted.items():
            if self._noted.get(prefix) == used_at:
                del self._noted[prefix]
