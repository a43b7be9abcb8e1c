"""Several serving processes behind one listening socket: started, watched, replaced and ended together.

They are forked once everything is imported, so that a new one is there within milliseconds and shares
what the first has read into memory.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

STEADY_SECONDS = 3.0
"""A worker that lives as long was well; one that doesn't is replaced after a pause."""
LONGEST_PAUSE = 10.0
MOST_STARTS = 5
"""Of each worker, before it is believed that none will ever serve."""
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
_AWAITED = _ENDING | {signal.SIGCHLD, signal.SIGALRM}

log = structlog.get_logger()


@dataclass
class _Worker:
    """One place among the workers, and the process that has it: `pid` None while there is none.

    `due`: when the next one is to start, `pause`: how long after the end of this one, if it dies young,
    as `young` have; `was_steady`: one of them hasn't.
    """

    number: int
    pause: float
    pid: int | None = None
    started: float = 0.0
    due: float = 0.0
    young: int = 0
    was_steady: bool = False

    def is_steady(self, steady: float) -> bool:
        lives = self.pid is not None and time.monotonic() - self.started >= steady
        return self.was_steady or lives


def supervise(
    listener: socket.socket,
    work: Callable[[int], int],
    count: int,
    *,
    patience: float,
    steady: float = STEADY_SECONDS,
    pause: float = 0.5,
) -> signal.Signals | None:
    """Keep `count` processes at `work`, which is called with a number from 1 on and returns an exit code,
    until SIGTERM or Ctrl-C comes; answers with that signal once all have ended. None: since the start no
    worker has lived for `steady` seconds, and each was started `MOST_STARTS` times.

    They serve what comes to `listener`, which is closed at the end: nobody new waits for an answer.
    They are sent SIGTERM, and SIGKILL `patience` seconds later. A worker that dies is replaced: at once,
    or, if it has lived for less than `steady` seconds, after `pause`, which is doubled each time; so is
    one that the system has no room to start. If this process is killed, its workers finish what is in flight and end.
    """
    workers = [_Worker(number, pause) for number in range(1, count + 1)]
    # Signals wait until they are asked for: none is lost between two looks.
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    # Pages of what never changes stay shared: the collector would write to each of them.
    gc.collect()
    gc.freeze()
    lifeline = os.pipe()
    came: signal.Signals | None
    try:
        while True:
            _start_due(workers, work, lifeline, steady, pause)
            if _none_ever_serves(workers, steady):
                came = None
                break
            came = _await_signal(min((w.due for w in workers if w.pid is None), default=None))
            if came in _ENDING:
                break
            for worker in workers:
                _replace_if_dead(worker, steady, pause)
        listener.close()
        _end(workers, patience)
    finally:
        for end in lifeline:
            os.close(end)
        # A second request, at the last moment, gets this end and no other.
        while signal.sigtimedwait(_AWAITED, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    return came


def _start_due(
    workers: list[_Worker],
    work: Callable[[int], int],
    lifeline: tuple[int, int],
    steady: float,
    first_pause: float,
) -> None:
    for worker in workers:
        if worker.pid is not None or worker.due > time.monotonic():
            continue
        worker.started = time.monotonic()
        try:
            worker.pid = os.fork()
        except OSError as error:  # no memory, or too many processes: the others go on
            pause = _pause_before_next(worker, steady, first_pause)
            log.error(  # noqa: TRY400 the system's words say it all
                "worker.not_started", worker=worker.number, why=str(error), again_in_s=pause
            )
            continue
        if worker.pid == 0:
            _become_worker(work, worker.number, lifeline)
        log.info("worker.started", worker=worker.number, pid=worker.pid)


def _none_ever_serves(workers: list[_Worker], steady: float) -> bool:
    return all(each.young >= MOST_STARTS for each in workers) and not any(
        each.is_steady(steady) for each in workers
    )


def _become_worker(work: Callable[[int], int], number: int, lifeline: tuple[int, int]) -> None:
    """What the forked process does; it never comes back."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        reading, writing = lifeline
        os.close(writing)
        threading.Thread(target=_end_with, args=(reading,), daemon=True).start()
        code = work(number)
    except KeyboardInterrupt:
        code = 0
    except BaseException:
        log.exception("worker.failed", worker=number)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with(lifeline: int) -> None:
    """End this process when the other side is closed, which nothing but its supervisor's end does."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _await_signal(until: float | None) -> signal.Signals:
    """The next signal of those awaited; SIGALRM at `until` on the monotonic clock."""
    left = 0.0 if until is None else max(0.001, until - time.monotonic())
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        return signal.Signals(signal.sigwait(_AWAITED))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reaped(worker: _Worker) -> int | None:
    """The exit code of a process that has ended, or minus the signal that ended it."""
    if worker.pid is None:
        return None
    pid, status = os.waitpid(worker.pid, os.WNOHANG)
    if pid == 0:
        return None
    worker.pid = None
    return os.waitstatus_to_exitcode(status)


def _replace_if_dead(worker: _Worker, steady: float, first_pause: float) -> None:
    pid, code = worker.pid, _reaped(worker)
    if code is None:
        return
    lived = time.monotonic() - worker.started
    pause = _pause_before_next(worker, steady, first_pause)
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    log.error(
        "worker.ended", worker=worker.number, pid=pid, by=how, lived_s=round(lived, 1),
        replaced_in_s=pause,
    )  # fmt: skip


def _pause_before_next(worker: _Worker, steady: float, first_pause: float) -> float:
    """For how many seconds its place stays empty."""
    now = time.monotonic()
    if now - worker.started >= steady:
        worker.was_steady, worker.young, worker.pause, worker.due = True, 0, first_pause, now
        return 0.0
    pause = worker.pause
    worker.young += 1
    worker.due, worker.pause = now + pause, min(2 * pause, LONGEST_PAUSE)
    return pause


def _end(workers: list[_Worker], patience: float) -> None:
    """Let all workers finish what is in flight, and kill those that take longer than `patience`."""
    _send(workers, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while True:
        for worker in workers:
            _reaped(worker)
        if all(worker.pid is None for worker in workers):
            return
        if time.monotonic() >= deadline:
            log.error("workers.killed", count=_send(workers, signal.SIGKILL))
            deadline += patience
        _await_signal(deadline)


def _send(workers: list[_Worker], number: signal.Signals) -> int:
    """To each that lives; how many do. Their numbers are nobody else's before they are reaped."""
    living = [worker.pid for worker in workers if worker.pid is not None]
    for pid in living:
        os.kill(pid, number)
    return len(living)
