"""The week in a mail to each operator who wants it, on Monday morning, once for all processes together.

The job waits from the week before, so a morning that every process slept through is made up for by the one
that starts next, with the last whole week.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.jobs.nightly import next_week
from service.jobs.queue import ClaimedJob, enqueue
from service.jobs.worker import Kind, work
from service.texts import number_of

WEEKLY = "weekly-mail"
BEGINS_AT = time(7)
"""On Monday, in the publication's time zone."""
PAUSES = tuple(timedelta(minutes=2 * 4**tried) for tried in range(4))
"""2, 8, 32 and 128 minutes between five tries: a Monday's mail outlives a disturbance of an hour."""


async def plan_week(session: AsyncSession, context: Context) -> None:
    """Store the mail of the next Monday of the business time, unless it is known."""
    clocks, zone = context.clocks, context.settings.zone
    begins_at = next_week(clocks.business(), zone, BEGINS_AT)
    key, due_at = f"{begins_at.astimezone(zone):%Y-%m-%d}", begins_at - clocks.offset
    await enqueue(session, kind=WEEKLY, key=key, now=clocks.wall(), due_at=due_at)


@dataclass(frozen=True)
class WeeklyMail:
    """Plans the next Monday and writes the mails that are due; any number of processes may do so."""

    context: Context

    async def round(self) -> int:
        """How many Mondays were done."""
        async with self.context.database.transaction() as session:
            await plan_week(session, self.context)
        return await work(self.context.database, self.kinds(), self.context.clocks)

    def kinds(self) -> Mapping[str, Kind]:
        return {WEEKLY: Kind(self.run, PAUSES)}

    async def run(self, job: ClaimedJob) -> str:
        """Write the mails. Repeating it writes none twice: each has its name."""
        if not self.context.settings.mail_from:
            return "no mail is set up"
        write_mails = await asyncio.to_thread(_writing)
        return number_of(await write_mails(self.context, job.key), "mail")


def _writing() -> Callable[[Context, str], Awaitable[int]]:
    """What writes the mails. It needs every figure: that is imported once a week, not at each start."""
    from service.operators.week import write_mails  # noqa: PLC0415 see above

    return write_mails
