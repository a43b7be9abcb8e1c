"""Background work of a serving process: each task in a loop of its own, none holds up another."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from service.problems import Problem

log = structlog.get_logger()


@dataclass(frozen=True)
class Task:
    """Something to do again and again; `wake` starts the next round at once.

    `pause` in seconds between two rounds; None: the runner's interval.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    pause: float | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Runner:
    """Runs tasks in rounds, `interval` seconds apart, until stopped."""

    def __init__(self, tasks: tuple[Task, ...], interval: float) -> None:
        self._tasks = tasks
        self._interval = interval
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._loop(task)) for task in self._tasks]

    async def stop(self, patience: float = 5.0) -> None:
        """Let each task finish the round it is in, run every task once more, and end.

        What takes longer than `patience` seconds is cancelled: nothing it does is lost by that.
        """
        self._stopping.set()
        for task in self._tasks:
            task.wake.set()
        _, hanging = await asyncio.wait(self._loops, timeout=patience)
        for loop in hanging:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _loop(self, task: Task) -> None:
        while True:
            last = self._stopping.is_set()
            task.wake.clear()
            await self._round(task)
            if last:
                return
            if not self._stopping.is_set():
                await self._pause(task)

    async def _round(self, task: Task) -> None:
        try:
            await task.run()
        except Problem as problem:
            # Foreseen, such as a database that is away: the next round tries again.
            log.warning("job.waiting", job=task.name, problem=problem.slug)
        except Exception:
            log.exception("job.failed", job=task.name)

    async def _pause(self, task: Task) -> None:
        try:
            async with asyncio.timeout(task.pause or self._interval):
                await task.wake.wait()
        except TimeoutError:
            return
