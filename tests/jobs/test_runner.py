"""Background work: each task in its own loop, and a last round at the end."""

import asyncio

import pytest

from service.jobs.runner import Background, Runner, Task, TaskName, Wakes
from tests.patience import PATIENCE


class Rounds:
    """Counts its rounds; `fails` raises in each, `hangs` never ends one before it is let go."""

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.count = 0
        self.fails = fails
        self.gate = asyncio.Event()
        self.round = asyncio.Condition()
        if not hangs:
            self.gate.set()

    async def __call__(self) -> None:
        async with self.round:
            self.count += 1
            self.round.notify_all()
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("the disk is full")

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self.round:
            await self.round.wait_for(lambda: self.count >= count)


async def test_a_failing_and_a_hanging_task_hold_up_nobody() -> None:
    good, failing, hanging = Rounds(), Rounds(fails=True), Rounds(hangs=True)
    runner = Runner(
        (Task("failing", failing), Task("hanging", hanging), Task("good", good)),
        interval=0.001,
        wakes=Wakes(),
    )
    runner.start()
    await good.reach(5)
    await failing.reach(5)
    assert hanging.count == 1
    hanging.gate.set()
    await runner.stop()


async def test_stop_finishes_the_round_and_runs_a_last_one_of_some_tasks() -> None:
    idle, other, late, busy = Rounds(), Rounds(), Rounds(), Rounds(hangs=True)
    tasks = (
        Task("idle", idle, pause=3600, runs_last=True),
        Task("other", other, pause=3600),
        Task("late", late, pause=3600, begins_after=3600),
        Task("busy", busy, pause=3600, runs_last=True),
    )
    runner = Runner(tasks, interval=1, wakes=Wakes())
    runner.start()
    for each in (idle, other, busy):
        await each.reach(1)
    stopping = asyncio.create_task(runner.stop())
    await idle.reach(2)
    assert not stopping.done()
    busy.gate.set()
    async with asyncio.timeout(PATIENCE):
        await stopping
    assert (idle.count, other.count, late.count, busy.count) == (2, 1, 0, 2)


async def test_one_that_begins_later_begins() -> None:
    late = Rounds()
    runner = Runner((Task("late", late, begins_after=0.001),), interval=0.001, wakes=Wakes())
    runner.start()
    await late.reach(2)
    await runner.stop()


async def test_a_last_round_that_fails_is_no_obstacle() -> None:
    failing = Rounds(fails=True)
    task = Task("failing", failing, pause=3600, runs_last=True)
    runner = Runner((task,), interval=1, wakes=Wakes())
    runner.start()
    await failing.reach(1)
    async with asyncio.timeout(PATIENCE):
        await runner.stop()
    assert failing.count == 2


@pytest.mark.parametrize("during", [False, True], ids=["between rounds", "during a round"])
async def test_waking_starts_the_next_round_at_once(during: bool) -> None:
    rounds = Rounds(hangs=during)
    wakes, name = Wakes(), TaskName("woken")
    runner = Runner((Task(name, rounds, pause=3600),), interval=1, wakes=wakes)
    runner.start()
    await rounds.reach(1)
    wakes.wake(name)
    rounds.gate.set()
    await rounds.reach(2)
    await runner.stop()


async def test_a_task_that_hangs_does_not_hold_up_the_end() -> None:
    hanging = Rounds(hangs=True)
    runner = Runner((Task("hanging", hanging),), interval=0.001, wakes=Wakes())
    runner.start()
    await hanging.reach(1)
    async with asyncio.timeout(PATIENCE):
        await runner.stop(patience=0.01)


async def test_what_begins_at_the_end_alone_has_its_last_round() -> None:
    last = Rounds()
    background = Background()

    async def make() -> Runner:
        return Runner((Task("last", last, runs_last=True),), interval=3600, wakes=Wakes())

    background.begin_late(make, seconds=3600, runs_last=True)
    await background.stop(PATIENCE)
    assert (last.count >= 1, background.has_failed) == (True, False)


async def test_what_has_no_last_round_is_not_made_at_the_end() -> None:
    background, made = Background(), asyncio.Event()

    async def make() -> Runner:
        made.set()
        return Runner((), interval=3600, wakes=Wakes())

    background.begin_late(make, seconds=3600, runs_last=False)
    await background.stop(PATIENCE)
    assert not made.is_set()


async def test_what_is_made_as_the_end_comes_begins_no_round_and_holds_up_nobodys_last() -> None:
    background, making, made = Background(), asyncio.Event(), asyncio.Event()
    last, round_ = Rounds(), Rounds()

    async def make() -> Runner:
        making.set()
        await made.wait()
        return Runner((Task("late", round_),), interval=3600, wakes=Wakes())

    background.begin(Runner((Task("last", last, runs_last=True),), interval=3600, wakes=Wakes()))
    background.begin_late(make, seconds=0.0, runs_last=False)
    await making.wait()
    await last.reach(1)
    ending = asyncio.create_task(background.stop(PATIENCE))
    await last.reach(2)
    assert not ending.done()
    made.set()
    await ending
    assert (last.count, round_.count) == (2, 0)


async def test_what_is_being_made_holds_up_the_end_no_longer_than_it_may() -> None:
    background, begun = Background(), asyncio.Event()

    async def make() -> Runner:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    background.begin_late(make, seconds=0, runs_last=True)
    await begun.wait()
    async with asyncio.timeout(PATIENCE):
        await background.stop(0.01)
