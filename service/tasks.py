"""Begins what a serving process does in the background; each part is imported when it begins."""

from collections.abc import Callable
from functools import partial

from service.jobs.runner import Background, Runner, Task, Wakes
from service.late import made_late
from service.payments.reach import Payments
from service.running import Running
from service.settings import Settings

_OTHERS_FIRST_SECONDS = 1.0
"""After a start: all that is kept in memory is as fresh as it can be."""
_UPKEEP_SECONDS = 60.0
"""After a start, which is busy enough; nobody who is served for the first time needs it sooner."""


def begin_tasks(running: Running, *, at_once: bool) -> None:
    """Begin the tasks of the application's `Background`. `at_once`: it is ready before they are imported."""
    background = running.get(Background)
    if at_once:
        background.begin_late(
            partial(_made_late, running, _first_tasks), _OTHERS_FIRST_SECONDS, runs_last=True
        )
    else:
        background.begin(_runner(running, _first_tasks(running)))
    background.begin_late(partial(_made_late, running, _upkeep), _UPKEEP_SECONDS, runs_last=False)


async def _made_late(running: Running, tasks: Callable[[Running], tuple[Task, ...]]) -> Runner:
    """What runs in the background, made when those who wait for the service have been answered."""
    return _runner(running, await made_late(partial(tasks, running)))


def _runner(running: Running, tasks: tuple[Task, ...]) -> Runner:
    interval = running.get(Settings).background_interval_seconds
    return Runner(tasks, interval, running.get(Wakes))


def _first_tasks(running: Running) -> tuple[Task, ...]:
    from service import background  # noqa: PLC0415 a reader is answered without

    gateway = running.get(Payments).gateway
    if gateway is None:
        return background.steady_tasks(running)
    from service import stripe_tasks  # noqa: PLC0415 only what sells asks Stripe

    return (
        *background.steady_tasks(running),
        *stripe_tasks.stripe_tasks(running, gateway),
    )


def _upkeep(running: Running) -> tuple[Task, ...]:
    from service import upkeep  # noqa: PLC0415 what it imports is more than all that a start needs

    return upkeep.upkeep_tasks(running)
