"""Threads of their own for making articles ready.

What publishers send may take seconds. In the threads that all share it would hold up what readers
ask for; here it waits for others of its kind alone, and many at once are told to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Depends

from service.problems import Problem
from service.running import part

THREADS = 2
MOST_AT_ONCE = 20
RETRY_AFTER_SECONDS = "5"

T = TypeVar("T")


class Rendering:
    """Calls functions in its threads, in the order in which they came."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rendering")
        self._under_way = 0

    async def __call__(self, make: Callable[..., T], /, *arguments: object) -> T:
        """What `make` returns. Raises Problem `too-many-requests` where too many wait already."""
        if self._under_way >= MOST_AT_ONCE:
            raise Problem(
                "too-many-requests",
                "Many articles are being made ready. Send this one again in a few seconds.",
                headers={"Retry-After": RETRY_AFTER_SECONDS},
            )
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, make, *arguments)
        finally:
            self._under_way -= 1


AppRendering = Annotated[Rendering, Depends(part(Rendering))]
