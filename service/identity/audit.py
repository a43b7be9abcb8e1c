"""The audit trail: every change an operator, an API key or a command makes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.context import Context
from service.db.tables import AuditEntry

BY_COMMAND = "command"
"""The label of `callers.COMMAND`, for commands that need no more of it than its name."""


async def record(
    session: AsyncSession,
    *,
    actor: str,
    action: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
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


@dataclass(frozen=True)
class Change:
    """A transaction, and the actor whom its audit rows name."""

    session: AsyncSession
    clocks: Clocks
    actor: str

    async def record(
        self,
        action: str,
        target: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Write what the actor does to the target in this transaction."""
        await record(
            self.session, actor=self.actor, action=action, target=target,
            before=before, after=after, now=self.clocks.business(),
        )  # fmt: skip


@asynccontextmanager
async def change_by(context: Context, actor: str) -> AsyncIterator[Change]:
    """A transaction of the actor's own, committed at the end."""
    async with context.database.transaction() as session:
        yield Change(session, context.clocks, actor)
