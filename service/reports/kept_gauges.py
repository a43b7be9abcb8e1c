"""The figures for Prometheus as one process last counted them, for a minute."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends
from prometheus_client import Metric

from service.db.context import Context
from service.running import part

Count = Callable[[Context], Awaitable[Sequence[Metric]]]
_FRESH = timedelta(minutes=1)
"""Prometheus asks more often than figures of a day should be counted."""


class KeptGauges:
    """What was counted, and when."""

    def __init__(self) -> None:
        self._found: Sequence[Metric] = ()
        self._found_at: datetime | None = None

    async def look(self, context: Context, count: Count) -> Sequence[Metric]:
        """What `count` finds at this moment, or found a minute ago at most."""
        now = context.clocks.wall()
        if self._found_at is None or not timedelta(0) <= now - self._found_at < _FRESH:
            # Before it is counted: another who asks meanwhile gets the one before.
            self._found_at = now
            self._found = await count(context)
        return self._found


AppKeptGauges = Annotated[KeptGauges, Depends(part(KeptGauges))]
