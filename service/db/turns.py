"""A turn in a transaction: until it ends, no other one that asks for the same key goes on."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_TAKE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_TAKE_ALL = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(CAST(:keys AS text[])) AS key"
)
_SHARE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))")


async def take_key(session: AsyncSession, key: str, *, shared: bool = False) -> None:
    """Wait until no other transaction has taken the key. SQLite's one writer has its turn anyway.

    `shared`: those who share it don't wait for each other. One that takes several takes them in order.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(_SHARE if shared else _TAKE, {"key": key})


async def take_keys(session: AsyncSession, keys: Collection[str]) -> None:
    """As `take_key`, for several, in the order that all who take several keep."""
    if keys and session.get_bind().dialect.name == "postgresql":
        await session.execute(_TAKE_ALL, {"keys": sorted(set(keys))})
