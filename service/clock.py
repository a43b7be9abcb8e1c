"""The only place that asks what time it is.

Two clocks (docs/decisions/two-clocks.md). *Wall time* is real: tokens, sessions, cookies, webhook
signatures, retries. *Business time* is wall time plus an offset that only the demo moves: meter
windows, schedules, grants, reports. Outside the demo the two are the same.

*Monotonic time* tells nobody what time it is. It measures a span within this process that a clock which is set back
must not lengthen.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, AwareDatetime

from service.running import part

_system_time = partial(datetime.now, UTC)
FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Of what callers may send."""


class Clocks:
    """Both clocks. What they answer is an aware UTC datetime."""

    def __init__(
        self,
        wall: Callable[[], datetime] = _system_time,
        offset: timedelta = timedelta(0),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self.offset = offset
        """Business time minus wall time; the database's value, refreshed by every process."""

    def wall(self) -> datetime:
        return self._wall()

    def business(self) -> datetime:
        return self._wall() + self.offset

    def monotonic(self) -> float:
        """Seconds since some instant of this process, which is the same as long as it runs."""
        return self._monotonic()


def in_utc(value: datetime) -> datetime:
    """The same aware instant in UTC.

    ValueError: it is so near to the edges of what a datetime holds that a time zone or a schedule leads beyond.
    """
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must lie within the years {FIRST_YEAR} to {LAST_YEAR}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""An instant as a caller sends it."""


def check_span(starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Raise ValueError where it ends before it has begun; None: it has no beginning, or no end."""
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise ValueError("ends_at must be after starts_at")


AppClocks = Annotated[Clocks, Depends(part(Clocks))]
