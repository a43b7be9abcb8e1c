"""Runs that somebody asks for: their names, and how far each is, kept with it while it runs, so that a page may show it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from service.db.session import Database
from service.db.tables import Job
from service.jobs.queue import ClaimedJob, note

_EVERY = timedelta(seconds=2)


def run_after(last: Job | None, prefix: str) -> str:
    """The id of a run, named after the `last` of its kind: two who ask at the same moment ask for one."""
    return f"{prefix}_{last.id.removeprefix('job_')}" if last is not None else f"{prefix}_first"


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
