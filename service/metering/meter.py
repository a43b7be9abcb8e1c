"""The meter of one process: what many readers do at once is counted in one transaction.

Those who come while a transaction is being written wait for the next one, which takes all of them
(group commit), and nobody is answered before theirs is committed. So the database is asked a few
times a batch instead of several times a reader.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar

import structlog

from service.clock import Clocks
from service.db.failures import database_unavailable, past_deadlocks
from service.db.session import Database
from service.identity.touches import Touch
from service.limits.rate import Limit
from service.metering.attempt import Attempt, Recorded, Said
from service.metering.group_commit import write
from service.metering.ledger import Entry, Ledger, Noted
from service.metering.window import MeterState, Window
from service.problems import Problem

MOST_WAITING = 2_000
"""Of those who wait for a database that doesn't answer; more are refused at once."""
MOST_OF_ONE = 100
"""Of those who wait, on one meter. A batch takes one of them: more would wait for long, and keep others out."""
_TOLD = "Too many reads of one reader wait to be counted. Open one article at a time."
MOST_AT_ONCE = 200
_LONGEST_GATHERING = 0.002
MOST_REMEMBERED = 50_000
FRESH = timedelta(seconds=60)

K = TypeVar("K")
V = TypeVar("V")
Done = Callable[[Recorded | Exception], None]
"""Takes what came of an attempt: on the event loop, after all of its batch, and it never waits."""
log = structlog.get_logger()


class _Waiting(NamedTuple):
    attempt: Attempt
    done: Done


class Metering:
    """Counts batch by batch, and remembers what it saw."""

    def __init__(self, database: Database, clocks: Clocks, ledger: Ledger) -> None:
        self._database = database
        self._clocks = clocks
        self._ledger = ledger
        self._next: dict[str, _Waiting] = {}
        """By meter, those who came first: the next batch."""
        self._behind: dict[str, deque[_Waiting]] = {}
        """By meter, those who came while another waits on it."""
        self._number = 0
        """Of both."""
        self._writing: asyncio.Task[None] | None = None
        self._windows: OrderedDict[tuple[str, datetime], tuple[datetime, MeterState]] = (
            OrderedDict()
        )
        self._touched: OrderedDict[str, None] = OrderedDict()

    def remembered(self, meter: str, asked: MeterState) -> MeterState | None:
        """The window as this process saw it within the last minute.

        What it says was read is so still: articles are only ever added to a window, until an
        erasure takes it away whole. They are counted here, or carried into a reader's.
        """
        window = asked.window
        seen, state = self._windows.get((meter, window.key), (None, None))
        if seen is None or state is None or self._clocks.wall() - seen > FRESH:
            return None
        if window.rolls and (state.window.span != window.span or state.window.end <= window.start):
            return None
        if (state.limit, state.by) == (asked.limit, asked.by):
            return state
        return state._replace(limit=asked.limit, by=asked.by)

    def remembers(self, meter: str, window: Window) -> bool:
        """Whether anything is known of it, however old."""
        return (meter, window.key) in self._windows

    def remember(self, meter: str, state: MeterState) -> None:
        """The window as it was just read."""
        _put(self._windows, (meter, state.window.key), (self._clocks.wall(), state))

    def note(self, noted: Noted) -> None:
        """Record in the background what counted nothing, and what led the holder here."""
        holder = noted.entry.holder
        touch = self._new(holder, noted.touch) if noted.touch is not None else None
        self._ledger.note(noted.entry, touch)
        if touch is not None:
            _put(self._touched, holder, None)

    async def count(
        self, meter: str, entry: Entry, touch: Touch, window: Window, limit: int,
        network: tuple[Limit, str] | None, prompts: tuple[Said, ...] = (),
    ) -> Recorded:  # fmt: skip
        """Count the entry's article and record it (`Attempt`); return once that is committed.

        Nothing is recorded where it wasn't counted. Raises Problem `database-unavailable`, and
        `too-many-requests` where too many of this meter wait.
        """
        counted: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()

        def done(recorded: Recorded | Exception) -> None:
            if counted.done():
                return  # who waited for it has gone
            if isinstance(recorded, Exception):
                counted.set_exception(recorded)
            else:
                counted.set_result(recorded)

        self.count_soon(meter, entry, touch, window, limit, network, prompts, done)
        return await counted

    def count_soon(
        self, meter: str, entry: Entry, touch: Touch, window: Window, limit: int,
        network: tuple[Limit, str] | None, prompts: tuple[Said, ...], done: Done,
    ) -> None:  # fmt: skip
        """As `count`, for which nobody has to wait: `done` gets what came of it, or why it failed.

        Raises at once where too many wait.
        """
        if self._number >= MOST_WAITING:
            raise database_unavailable()
        attempt = Attempt(
            meter, entry, self._new(entry.holder, touch), window, limit, network, prompts
        )
        if meter not in self._next:
            self._next[meter] = _Waiting(attempt, done)
        else:
            behind = self._behind.setdefault(meter, deque())
            if len(behind) >= MOST_OF_ONE - 1:
                raise Problem("too-many-requests", _TOLD, headers={"Retry-After": "1"})
            behind.append(_Waiting(attempt, done))
        self._number += 1
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_what_waits())

    def _new(self, holder: str, touch: Touch) -> Touch | None:
        """What isn't known of the touch; None: its first one is recorded, and this names no source."""
        return touch if touch.names_a_source or holder not in self._touched else None

    async def _write_what_waits(self) -> None:
        clock, took, size = asyncio.get_running_loop().time, 0.0, 1
        try:
            while self._next:
                # Those who were answered last come again at once, or others in their place: a wait that
                # is short beside the commit halves the number of commits.
                until = clock() + min(took / 8, _LONGEST_GATHERING)
                # A timer would be coarser than the time that is waited.
                while len(self._next) < size and clock() < until:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                batch = self._next_batch()
                began, size = clock(), len(batch)
                await self._answer(batch)
                took = clock() - began
        finally:
            self._writing = None

    def _next_batch(self) -> list[_Waiting]:
        """Those who came first, one a meter, in the order of meters: no two processes' batches can
        wait for each other's rows in a circle.
        """
        meters = sorted(list(self._next)[:MOST_AT_ONCE])
        batch = [self._next.pop(meter) for meter in meters]
        self._number -= len(batch)
        for meter in self._behind.keys() & meters:
            behind = self._behind[meter]
            self._next[meter] = behind.popleft()
            if not behind:
                del self._behind[meter]
        return batch

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        work = partial(write, batch=[each.attempt for each in batch], now=self._clocks.wall())
        recorded: Sequence[Recorded | Exception]
        try:
            recorded = await past_deadlocks(lambda: self._database.by_statement(work))
        except Exception as error:  # noqa: BLE001 each of those who wait gets it
            # The next batch would wait as long for a database that is away, and the one after it longer.
            if isinstance(error, Problem):
                batch = [*batch, *self._all_waiting()]
            recorded = [error] * len(batch)
        seen = self._clocks.wall()
        for (attempt, done), result in zip(batch, recorded, strict=True):
            # A device that its network closes out has read nothing; a script makes one with each read.
            if isinstance(result, Recorded) and not result.closed:
                self._remember_counted(attempt, result, seen)
            try:
                done(result)
            except Exception:
                log.exception("meter.answer_failed")  # the others' reads are counted as well

    def _all_waiting(self) -> list[_Waiting]:
        """All of them, who wait no longer."""
        found = [*self._next.values(), *(each for them in self._behind.values() for each in them)]
        self._next, self._behind, self._number = {}, {}, 0
        return found

    def _remember_counted(self, attempt: Attempt, recorded: Recorded, seen: datetime) -> None:
        if recorded.counted:
            # Nearly every holder has the meter of the same name: it is kept once.
            meter, holder = attempt.meter, attempt.entry.holder
            _put(self._touched, meter if meter == holder else holder, None)
        state = recorded.state
        _put(self._windows, (attempt.meter, state.window.key), (seen, state))


def _put(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)
