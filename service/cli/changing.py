"""What commands change, as the audit trail has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.cli.running import ready_context
from service.identity.audit import BY_COMMAND, Change, change_by
from service.settings import Settings


@asynccontextmanager
async def changing(settings: Settings) -> AsyncIterator[Change]:
    """A transaction by somebody with a shell on the server, as the audit trail has it."""
    async with ready_context(settings) as context, change_by(context, BY_COMMAND) as change:
        yield change
