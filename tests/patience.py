"""Waiting for what must come true. Minutes: a busy machine is no reason for a test to fail."""

import asyncio
import time
from collections.abc import Callable, Iterator

PATIENCE = 240.0
"""Seconds after which nothing comes any more; a test's own limit in pyproject.toml is longer."""
PAUSE, LONGEST_PAUSE = 0.01, 0.08


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as `holds()` is true. Raises TimeoutError, which names `what`."""
    for pause in _pauses(what):
        if holds():
            return
        time.sleep(pause)


async def wait_for(holds: Callable[[], object], what: str) -> None:
    """As `wait_until`, while other tasks of this loop go on."""
    for pause in _pauses(what):
        if holds():
            return
        await asyncio.sleep(pause)


def _pauses(what: str) -> Iterator[float]:
    """Longer ones as time goes by: to look takes time from what is waited for. Raises TimeoutError in the end."""
    deadline, pause = time.monotonic() + PATIENCE, PAUSE
    while time.monotonic() <= deadline:
        yield pause
        pause = min(pause * 1.3, LONGEST_PAUSE)
    raise TimeoutError(what)
