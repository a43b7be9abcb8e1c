"""Background work of a serving process: each task in a loop of its own, none holds up another."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, NewType

import structlog
from fastapi import Depends

from service.problems import Problem
from service.running import part

log = structlog.get_logger()


TaskName = NewType("TaskName", str)
"""Names a task to those who wake it; declared beside the work that the task does."""


@dataclass(frozen=True)
class Task:
    """Something to do again and again.

    `pause` in seconds between two rounds; None: the runner's interval. `begins_after` as many seconds: nobody
    who serves for the first time needs it sooner. `runs_last`: once more at the end, to write what is in memory
    alone, or to send what a request has just left.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    pause: float | None = None
    begins_after: float = 0.0
    runs_last: bool = False


class Wakes:
    """Wakes this process's tasks by name, from wherever something was left for them to do."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def wake(self, name: TaskName) -> None:
        """Let the task's next round start at once. Other processes look at the end of their pause."""
        self.event(name).set()

    def event(self, name: str) -> asyncio.Event:
        """What the task waits for between two rounds."""
        return self._events.setdefault(name, asyncio.Event())


AppWakes = Annotated[Wakes, Depends(part(Wakes))]


class Runner:
    """Runs tasks in rounds, `interval` seconds apart or as `wakes` says, until stopped."""

    def __init__(self, tasks: tuple[Task, ...], interval: float, wakes: Wakes) -> None:
        self._tasks = tasks
        self._interval = interval
        self._wakes = wakes
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._loop(task), name=task.name) for task in self._tasks
        ]

    async def stop(self, patience: float = 5.0) -> None:
        """Let each task finish the round it is in, run those once more that run last, and end.

        What takes longer than `patience` seconds is cancelled: nothing it does is lost by that.
        """
        self._stopping.set()
        for task in self._tasks:
            self._wakes.event(task.name).set()
        _, hanging = await asyncio.wait(self._loops, timeout=patience)
        for loop in hanging:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _loop(self, task: Task) -> None:
        event = self._wakes.event(task.name)
        if task.begins_after:
            await self._pause(event, task.begins_after)
        while not self._stopping.is_set():
            event.clear()
            await self._round(task)
            if not self._stopping.is_set():
                await self._pause(event, task.pause or self._interval)
        if task.runs_last:
            await self._round(task)

    async def _round(self, task: Task) -> None:
        try:
            await task.run()
        except Problem as problem:
            # Foreseen, such as a database that is away: the next round tries again.
            log.warning("job.waiting", job=task.name, problem=problem.slug)
        except Exception:
            log.exception("job.failed", job=task.name)

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class Background:
    """What runs in the background of one serving process, from its start or a little later."""

    def __init__(self) -> None:
        self.has_failed = False
        """It couldn't begin: a process without it loses what it notes, and is to end."""
        self._runners: list[Runner] = []
        self._beginnings: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    def begin(self, runner: Runner) -> None:
        self._runners.append(runner)
        runner.start()

    def begin_late(
        self, make: Callable[[], Awaitable[Runner]], seconds: float, *, runs_last: bool
    ) -> None:
        """Make it after `seconds`; where it `runs_last` and the end comes before, it is made then, for its last rounds."""
        beginning = self._begin(make, seconds, runs_last=runs_last)
        self._beginnings.append(asyncio.create_task(beginning))

    async def stop(self, patience: float) -> None:
        """Stop the runners in `patience` seconds, beside what is still being made. It never raises."""
        self._ending.set()
        begun, self._runners = self._runners, []
        stopping = [runner.stop(patience) for runner in begun]
        await asyncio.gather(self._end_beginnings(patience), *stopping)

    async def _end_beginnings(self, patience: float) -> None:
        """Let those end that are being made, and stop the runners that they begin at the end."""
        until = asyncio.get_running_loop().time() + patience
        if self._beginnings:
            await asyncio.wait(self._beginnings, timeout=patience)
        for beginning in self._beginnings:
            beginning.cancel()
        left = max(until - asyncio.get_running_loop().time(), 0)
        await asyncio.gather(*(runner.stop(left) for runner in self._runners))

    async def _begin(
        self, make: Callable[[], Awaitable[Runner]], seconds: float, *, runs_last: bool
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        if self._is_over(runs_last=runs_last):
            return
        try:
            runner = await make()
            if not self._is_over(runs_last=runs_last):  # the end may have come meanwhile
                self.begin(runner)
        except Exception:
            self.has_failed = True
            log.exception("background.failed")

    def _is_over(self, *, runs_last: bool) -> bool:
        """Whether what has no last rounds is to begin none."""
        return self._ending.is_set() and not runs_last
