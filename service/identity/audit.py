"""The audit trail: every change an operator or an API key makes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AuditEntry


async def record(
    session: AsyncSession,
    *,
    actor: str,
    action: str,
    target: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """Write who did what to which thing, in the transaction of the change itself.

    `now` is business time, as for the change it records.
    """
    session.add(
        AuditEntry(
            at=now,
            actor=actor,
            action=action,
            target=target,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )
    await session.flush()
