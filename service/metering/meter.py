"""The meter of one process: what many readers do at once is written in one transaction.

Those who come while a transaction is being written wait for the next one, which takes all of them
(group commit), and nobody is answered before theirs is committed. So the database is asked a few
times a batch instead of several times a reader. Counts stay exact over all processes: the same
conditional upsert decides, for many holders at once.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.session import Database, database_unavailable, past_deadlocks
from service.identity.touches import Touch, record_touches
from service.limits.rate import Limit, take
from service.metering.ledger import Entry, write_all
from service.metering.store import begun_among, count_articles, read_meters
from service.metering.window import MeterState, Window

MOST_WAITING = 2_000
"""Of those who wait for a database that doesn't answer; more are told so at once."""
MOST_AT_ONCE = 200
MOST_REMEMBERED = 50_000
FRESH = timedelta(seconds=60)

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Attempt:
    """The entry's article is to be counted in its holder's window, if it is new there and has room.

    `network`: a holder without a past counts against this limit, under this key.
    """

    window: Window
    limit: int
    network: tuple[Limit, str] | None = None


@dataclass(frozen=True)
class Recorded:
    """What came of it: the window afterwards, None where nothing was to be counted.

    `counted`: by this call. `closed`: the network has no room for another reader.
    """

    state: MeterState | None = None
    counted: bool = False
    closed: bool = False


@dataclass(frozen=True, eq=False)
class _Waiting:
    entry: Entry
    touch: Touch | None
    attempt: Attempt | None
    done: "asyncio.Future[Recorded]"


class Metering:
    """Counts and records, batch by batch."""

    def __init__(self, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._windows: OrderedDict[tuple[str, datetime], tuple[datetime, MeterState]] = (
            OrderedDict()
        )
        self._touched: OrderedDict[str, None] = OrderedDict()

    def remembered(self, holder: str, window: Window, limit: int) -> MeterState | None:
        """The window as this process saw it within the last minute.

        What it says was read is so still: articles are only ever added to a window, until an
        erasure takes it away whole. They are counted here, or carried into a reader's.
        """
        seen, state = self._windows.get((holder, window.start), (None, None))
        if seen is None or state is None or self._clocks.wall() - seen > FRESH:
            return None
        return MeterState(window, limit, state.counted, state.carried)

    async def record(
        self, entry: Entry, touch: Touch | None, attempt: Attempt | None = None
    ) -> Recorded:
        """Write the row, and what led the holder here (None: nothing new); return once committed.

        With an attempt they are written only if the article is counted. Raises Problem
        `database-unavailable`.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise database_unavailable()
        if touch is not None and not touch.names_a_source and entry.holder in self._touched:
            touch = None  # its first one is recorded, and this one would change nothing
        done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, touch, attempt, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_what_waits())
        return await done

    async def _write_what_waits(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next_batch())
        finally:
            self._writing = None

    def _next_batch(self) -> list[_Waiting]:
        """Those who came first, with one change a holder, in the order of holders: no two processes'
        batches can wait for each other's rows in a circle.
        """
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        changed: set[str] = set()
        for each in self._waiting:
            changes = each.attempt is not None or each.touch is not None
            if len(batch) == MOST_AT_ONCE or (changes and each.entry.holder in changed):
                later.append(each)
                continue
            batch.append(each)
            if changes:
                changed.add(each.entry.holder)
        self._waiting = later
        return sorted(batch, key=lambda each: each.entry.holder)

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            recorded = await past_deadlocks(lambda: self._write(batch))
        except Exception as error:  # noqa: BLE001 each of those who wait is told
            for each in batch:
                if not each.done.done():
                    each.done.set_exception(error)
            return
        for each, result in zip(batch, recorded, strict=True):
            self._remember(each, result)
            if not each.done.done():
                each.done.set_result(result)

    def _remember(self, waiting: _Waiting, result: Recorded) -> None:
        holder = waiting.entry.holder
        if waiting.touch is not None and (waiting.attempt is None or result.counted):
            _put(self._touched, holder, None)
        if result.state is not None:
            key = holder, result.state.window.start
            _put(self._windows, key, (self._clocks.wall(), result.state))

    async def _write(self, batch: Sequence[_Waiting]) -> list[Recorded]:
        """One transaction; what came of each, in their order."""
        async with self._database.transaction() as session:
            closed = await self._closed(session, batch)
            found = await _counted(session, (each for each in batch if each not in closed))
            recorded = [closed.get(each) or found.get(each) or Recorded() for each in batch]
            written = [
                each
                for each, result in zip(batch, recorded, strict=True)
                if each.attempt is None or result.counted
            ]
            await write_all(session, [each.entry for each in written])
            await record_touches(
                session,
                [(e.entry.holder, e.touch, e.entry.at) for e in written if e.touch is not None],
            )
        return recorded

    async def _closed(
        self, session: AsyncSession, batch: Sequence[_Waiting]
    ) -> dict[_Waiting, Recorded]:
        """Those whose network has no room left; it isn't asked for readers with a past."""
        asking = [
            (each, each.attempt, *each.attempt.network)
            for each in batch
            if each.attempt is not None and each.attempt.network is not None
        ]
        if not asking:
            return {}
        begun = await begun_among(session, [each.entry.holder for each, *_ in asking])
        closed = {}
        for each, attempt, limit, key in sorted(asking, key=lambda one: one[3]):
            if each.entry.holder in begun:
                continue
            if await take(session, limit, key, self._clocks.wall()) is not None:
                closed[each] = Recorded(MeterState(attempt.window, attempt.limit), closed=True)
        return closed


def _put(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)


async def _counted(
    session: AsyncSession, attempting: Iterable[_Waiting]
) -> dict[_Waiting, Recorded]:
    """Count for all of them, by window and limit, and read the windows of those who had no room."""
    groups: defaultdict[tuple[Window, int], dict[str, _Waiting]] = defaultdict(dict)
    for each in attempting:
        if each.attempt is not None:
            groups[each.attempt.window, each.attempt.limit][each.entry.holder] = each
    found: dict[_Waiting, Recorded] = {}
    for (window, limit), by_holder in groups.items():
        counted = await count_articles(
            session,
            {holder: each.entry.article_id for holder, each in by_holder.items()},
            window=window,
            limit=limit,
            now=max(each.entry.at for each in by_holder.values()),
        )
        others = await read_meters(session, by_holder.keys() - counted.keys(), window, limit)
        for holder, each in by_holder.items():
            state = counted.get(holder) or others[holder]
            found[each] = Recorded(state, counted=holder in counted)
    return found
