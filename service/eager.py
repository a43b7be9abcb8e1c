"""Work that begins at once, and becomes a task only where it has to wait.

What is answered from memory never waits: a task for it, and the event loop's way there and back, would cost more
than the answer.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


def begin(
    work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    """Do the work until it first waits. The task that does the rest; None: it is done.

    Until then it is part of no task (`in_task`).
    """
    try:
        waited = work.send(None)
    except StopIteration:
        return None
    return loop.create_task(_rest(work, waited))


async def in_task() -> None:
    """Go on as part of a task: timeouts, and libraries that find their own state by the task, need one."""
    if asyncio.current_task() is None:
        await asyncio.sleep(0)


def noticed(task: asyncio.Task[Any]) -> None:
    """For `add_done_callback` of work that several may wait for: it may fail when all of them have gone."""
    if not task.cancelled():
        task.exception()


async def _rest(work: Coroutine[Any, Any, None], waited: Any) -> None:
    await _steps(work, waited)


@coroutine
def _steps(work: Coroutine[Any, Any, None], waited: Any) -> Generator[Any, Any, None]:
    """What `await work` would do, had it not begun: hand on each thing that it waits for."""
    while True:
        error: BaseException | None = None
        given = None
        try:
            given = yield waited
        except BaseException as raised:  # noqa: BLE001 it is the work's to catch, a cancellation too
            error = raised
        try:
            waited = work.send(given) if error is None else work.throw(error)
        except StopIteration:
            return
