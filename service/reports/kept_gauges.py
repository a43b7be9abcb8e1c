"""The figures for Prometheus as one process last counted them, for a minute."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends
from prometheus_client import Metric

from service.db.context import Context
from service.db.session import LONGEST_LOOK_SECONDS
from service.problems import Problem
from service.running import part

Count = Callable[[Context], Awaitable[Sequence[Metric]]]
_FRESH = timedelta(minutes=1)
"""Prometheus asks more often than figures of a day should be counted."""


class KeptGauges:
    """What was counted, and when."""

    def __init__(self) -> None:
        self._found: Sequence[Metric] = ()
        self._found_at: datetime | None = None
        self._counting: asyncio.Task[Sequence[Metric]] | None = None

    async def look(self, context: Context, count: Count) -> Sequence[Metric]:
        """What `count` finds at this moment, or found a minute ago at most. What it found before, where it takes
        longer than Prometheus waits: who asks next has the new one. Nothing where the database is away.

        However many ask, it is counted once; who goes away meanwhile leaves the others their count.
        """
        now = context.clocks.wall()
        if self._found_at is not None and timedelta(0) <= now - self._found_at < _FRESH:
            return self._found
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(context, count, now))
        counting = self._counting
        done, _ = await asyncio.wait({counting}, timeout=LONGEST_LOOK_SECONDS)
        return counting.result() if done else self._found

    async def _count(self, context: Context, count: Count, now: datetime) -> Sequence[Metric]:
        try:
            self._found = await count(context)
            self._found_at = now
        except Problem:
            self._found, self._found_at = (), None
        finally:
            self._counting = None
        return self._found


AppKeptGauges = Annotated[KeptGauges, Depends(part(KeptGauges))]
