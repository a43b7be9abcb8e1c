"""Waiting for what must come true. Minutes: a busy machine is no reason for a test to fail."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 240.0
"""Seconds after which nothing comes any more; a test's own limit in pyproject.toml is longer."""
PAUSE = 0.01


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as `holds()` is true. Raises TimeoutError, which names `what`."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(PAUSE)


async def wait_for(holds: Callable[[], object], what: str) -> None:
    """As `wait_until`, while other tasks of this loop go on."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(PAUSE)
