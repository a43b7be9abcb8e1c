"""API keys of publishers: `pwk_<prefix>_<secret>`, shown once, stored as a hash."""

import re
import secrets as random
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ApiKey
from service.identity.permissions import PERMISSIONS
from service.identity.secrets import hash_secret, new_secret, same_secret

_SHAPE = re.compile(r"pwk_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")


async def create_api_key(
    session: AsyncSession, *, label: str, scopes: Sequence[str], now: datetime
) -> str:
    """Make a key and return its text, which can't be shown again. ValueError: unknown scope."""
    unknown = sorted(set(scopes) - PERMISSIONS)
    if unknown or not scopes:
        raise ValueError(
            f"unknown scope {', '.join(unknown) or '(none)'}; scopes: {', '.join(sorted(PERMISSIONS))}"
        )
    prefix, secret = random.token_hex(5), new_secret()
    session.add(
        ApiKey(
            prefix=prefix,
            secret_hash=hash_secret(secret),
            label=label,
            scopes=sorted(set(scopes)),
            created_at=now,
        )
    )
    await session.flush()
    return f"pwk_{prefix}_{secret}"


async def find_api_key(session: AsyncSession, text: str) -> ApiKey | None:
    """The live key with this text, or None."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    key = await session.get(ApiKey, match.group(1))
    if (
        key is None
        or key.revoked_at is not None
        or not same_secret(match.group(2), key.secret_hash)
    ):
        return None
    return key
