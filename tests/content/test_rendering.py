"""Articles are made ready in threads of their own, and not too many wait for them."""

import asyncio
import threading

import pytest

from service.content.rendering import MOST_AT_ONCE, THREADS, Rendering
from service.problems import Problem
from tests.patience import wait_for


async def test_other_threads_stay_free_and_too_many_are_told_to_come_back() -> None:
    rendering, over, begun = Rendering(), threading.Event(), list[int]()

    def make(number: int) -> int:
        begun.append(number)
        over.wait()
        return number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(rendering(make, number)) for number in range(MOST_AT_ONCE)]
        await wait_for(lambda: len(begun) == THREADS, "its threads are at work")
        with pytest.raises(Problem) as refused:
            await rendering(make, MOST_AT_ONCE)
        assert await asyncio.to_thread(lambda: "free") == "free"
        assert len(begun) == THREADS
        over.set()
    assert refused.value.type.status == 429
    assert refused.value.headers["Retry-After"]
    assert [task.result() for task in tasks] == list(range(MOST_AT_ONCE))
    assert await rendering(make, 7) == 7
