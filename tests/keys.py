"""API keys that tests publish and manage with."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.identity.api_keys import make_api_key


async def create_api_key(
    session: AsyncSession, *, label: str, scopes: Sequence[str], now: datetime
) -> str:
    """The text of a new key."""
    return (await make_api_key(session, label=label, scopes=scopes, now=now)).text
