"""How far a job is, kept with it while it runs: a page may show it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from service.db.session import Database
from service.jobs.queue import ClaimedJob, note

_EVERY = timedelta(seconds=2)


@asynccontextmanager
async def noting(
    database: Database, job: ClaimedJob, found: Callable[[], Mapping[str, Any]]
) -> AsyncIterator[None]:
    """Keep with the job what is `found` so far, for as long as the work inside takes, and at its end."""

    async def note_it() -> None:
        await note(database, job, {**job.payload, **found()})

    async def note_again() -> None:
        while True:
            await asyncio.sleep(_EVERY.total_seconds())
            await note_it()

    again = asyncio.create_task(note_again())
    try:
        yield
    finally:
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
    await note_it()
