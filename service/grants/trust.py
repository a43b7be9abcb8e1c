"""How long a process trusts its memory of what gift links and institutions' networks open.

Several processes may serve. What one of them has opened the others learn when their trust has run out, before they
show a wall; a process that has opened something answers only after that. So nobody who has this answer meets a wall in
front of what it opened, whichever process serves them. Until it is given, another tab may be told either.

Trust is measured in monotonic time: a clock that is set back makes it no longer.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from fastapi import Depends

TRUSTED = timedelta(milliseconds=100)
_SURELY = 1.2
"""Clocks of two machines don't run at the same rate to the last bit, and timers are coarse."""


async def until_known() -> None:
    """Wait, after a commit, until every process knows of it or looks before it shows a wall."""
    await asyncio.sleep(TRUSTED.total_seconds() * _SURELY)


async def _answered_when_known() -> AsyncIterator[None]:
    yield
    await until_known()


# As a dependency of the route itself it begins before the transaction and so ends after the commit.
ANSWERED_WHEN_KNOWN = Depends(_answered_when_known, scope="function")
"""Of a route that changes what networks open."""
