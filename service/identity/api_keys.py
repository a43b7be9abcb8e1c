"""API keys of publishers: `pwk_<prefix>_<secret>`, shown once, stored as a hash."""

import re
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ApiKey
from service.identity.permissions import SCOPES
from service.identity.secrets import hash_secret, new_secret, same_secret

_SHAPE = re.compile(r"pwk_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
_NO_KEY = hash_secret(new_secret())
LONGEST_LABEL = 100


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
