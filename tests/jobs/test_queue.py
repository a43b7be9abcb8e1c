"""The table of jobs on both databases: each claimed by one, lost with its lease, never lost itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import Job
from service.jobs import queue
from service.jobs.nightly import next_night, plan_night
from service.jobs.queue import ClaimedJob
from tests.conftest import MovingClocks

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
KIND = "rake"
KINDS = (KIND,)


async def put(
    database: Database, clocks: MovingClocks, key: str = "1", kind: str = KIND, **fields: Any
) -> bool:
    async with database.transaction() as session:
        return await queue.enqueue(session, kind=kind, key=key, now=clocks.wall(), **fields)


async def claim(database: Database, clocks: MovingClocks) -> ClaimedJob | None:
    return await queue.claim_next(database, KINDS, clocks.wall())


async def claimed(database: Database, clocks: MovingClocks) -> ClaimedJob:
    job = await claim(database, clocks)
    assert job is not None
    return job


async def row(database: Database, key: str = "1") -> Job:
    async with database.reading() as session:
        return (await session.scalars(select(Job).where(Job.key == key))).one()


async def test_a_job_of_a_key_is_stored_once_and_only_where_its_cause_is(
    database: Database, clocks: MovingClocks
) -> None:
    stored = await asyncio.gather(*(put(database, clocks) for _ in range(20)))
    assert sorted(stored) == [False] * 19 + [True]
    assert await put(database, clocks, kind="sweep")
    await queue.finish(database, await claimed(database, clocks), result="raked", now=clocks.wall())
    assert not await put(database, clocks)
    with pytest.raises(LookupError):
        await _put_and_fail(database, clocks)
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Job)) == 2


async def _put_and_fail(database: Database, clocks: MovingClocks) -> None:
    async with database.transaction() as session:
        await queue.enqueue(session, kind=KIND, key="2", now=clocks.wall())
        raise LookupError


async def test_any_number_of_processes_claim_each_job_once(
    database: Database, clocks: MovingClocks
) -> None:
    for number in range(12):
        await put(database, clocks, str(number))
    others = [Database(database.url) for _ in range(3)]
    try:
        processes = [database, *others]
        taken = [
            job.key
            for job in await asyncio.gather(*(claim(each, clocks) for each in processes * 4))
            if job is not None
        ]
    finally:
        for each in others:
            await each.dispose()
    # A claim may come away empty while others hold rows; nothing is ever claimed twice.
    while (more := await claim(database, clocks)) is not None:
        taken.append(more.key)
    assert sorted(taken) == sorted(str(number) for number in range(12))


async def test_what_is_due_for_longest_comes_first_and_nothing_before_its_time(
    database: Database, clocks: MovingClocks
) -> None:
    now = clocks.wall()
    await put(database, clocks, "later", due_at=now + SECOND)
    await put(database, clocks, "second", payload={"with": ["leaves", 2]})
    await put(database, clocks, "first", due_at=now - SECOND)
    await put(database, clocks, "another", kind="sweep", due_at=now - DAY)
    assert await queue.count_due(database, KINDS, now) == 2
    assert (await claimed(database, clocks)).key == "first"
    second = await claimed(database, clocks)
    assert (second.key, second.payload) == ("second", {"with": ["leaves", 2]})
    assert await claim(database, clocks) is None
    clocks.travel(SECOND)
    assert (await claimed(database, clocks)).key == "later"


async def test_a_lease_that_is_lost_is_won_back_by_another(
    database: Database, clocks: MovingClocks
) -> None:
    await put(database, clocks)
    slow = await claimed(database, clocks)
    clocks.travel(queue.LEASE - SECOND)
    assert await claim(database, clocks) is None
    clocks.travel(SECOND)
    quick = await claimed(database, clocks)
    assert (quick.id, quick.attempts) == (slow.id, 0)
    assert quick.lease != slow.lease
    # A slow worker changes nothing, whatever it comes back with.
    now = clocks.wall()
    assert not await queue.renew(database, slow, now)
    for _ in range(2):
        await queue.fail(database, slow, reason="late", pauses=[DAY], now=now)
        await queue.give_up(database, slow, reason="late", now=now)
        await queue.postpone(database, slow, reason="late", pause=DAY, now=now)
        await queue.finish(database, slow, result="late", now=now)
        assert not await queue.renew(database, slow, now)
        held = await row(database)
        if held.status == "waiting":
            assert (held.result, held.attempts, held.lease) == ("", 0, quick.lease)
            await queue.finish(database, quick, result="raked", now=now)
    assert (held.status, held.result, held.finished_at) == ("done", "raked", now)


async def test_renewing_holds_a_job_for_another_lease(
    database: Database, clocks: MovingClocks
) -> None:
    await put(database, clocks)
    job = await claimed(database, clocks)
    for _ in range(5):
        clocks.travel(queue.LEASE - SECOND)
        assert await queue.renew(database, job, clocks.wall())
        assert await claim(database, clocks) is None
    await queue.finish(database, job, result="raked", now=clocks.wall())
    assert not await queue.renew(database, job, clocks.wall())
    assert (await row(database)).status == "done"


async def test_failures_back_off_and_end(database: Database, clocks: MovingClocks) -> None:
    await put(database, clocks)
    pauses = (SECOND, DAY)
    for attempt, pause in enumerate(pauses):
        job = await claimed(database, clocks)
        assert job.attempts == attempt
        assert not await queue.fail(database, job, reason="rain", pauses=pauses, now=clocks.wall())
        waiting = await row(database)
        assert (waiting.status, waiting.due_at) == ("waiting", clocks.wall() + pause)
        clocks.travel(pause)
    last = await claimed(database, clocks)
    assert await queue.fail(database, last, reason="snow", pauses=pauses, now=clocks.wall())
    failed = await row(database)
    assert (failed.status, failed.attempts, failed.result) == ("failed", 3, "snow")
    clocks.travel(1000 * DAY)
    assert await claim(database, clocks) is None


async def test_a_replay_begins_anew_also_under_the_hands_of_a_worker(
    database: Database, clocks: MovingClocks
) -> None:
    await put(database, clocks)
    await queue.give_up(database, await claimed(database, clocks), reason="no", now=clocks.wall())

    async def replay(key: str) -> bool:
        async with database.transaction() as session:
            return await queue.replay(session, kind=KIND, key=key, now=clocks.wall())

    assert await replay("1")
    assert not await replay("2")
    first = await claimed(database, clocks)
    assert first.attempts == 0
    assert await replay("1")
    second = await claimed(database, clocks)
    await queue.give_up(database, first, reason="of the old claim", now=clocks.wall())
    await queue.finish(database, second, result="raked", now=clocks.wall())
    assert ((await row(database)).status, (await row(database)).attempts) == ("done", 0)


async def test_what_was_done_long_ago_goes_and_what_was_given_up_stays(
    database: Database, clocks: MovingClocks
) -> None:
    for key in ("done", "given up", "waiting"):
        await put(database, clocks, key)
        if key == "waiting":
            continue
        job = await claimed(database, clocks)
        if key == "done":
            await queue.finish(database, job, result="", now=clocks.wall())
        else:
            await queue.give_up(database, job, reason="", now=clocks.wall())

    async def left() -> set[str]:
        await queue.prune(database, clocks.wall())
        async with database.reading() as session:
            return set(await session.scalars(select(Job.key)))

    clocks.travel(queue.ROWS_STAY - SECOND)
    assert await left() == {"done", "given up", "waiting"}
    clocks.travel(SECOND)
    assert await left() == {"given up", "waiting"}


async def test_a_night_is_planned_once_for_all_and_made_up_for(
    database: Database, clocks: MovingClocks
) -> None:
    zone = ZoneInfo("Europe/Lisbon")

    async def plan() -> None:
        async with database.transaction() as session:
            await plan_night(session, KINDS, zone=zone, clocks=clocks)

    await asyncio.gather(*(plan() for _ in range(5)))
    assert await claim(database, clocks) is None  # a new installation has nothing to make up for
    clocks.time = datetime(2026, 3, 11, 2, 59, 59, tzinfo=UTC)
    assert await claim(database, clocks) is None
    clocks.travel(SECOND)
    await asyncio.gather(*(plan() for _ in range(5)))
    night = await claimed(database, clocks)
    assert night.key == "2026-03-11"
    assert await claim(database, clocks) is None
    await queue.finish(database, night, result="", now=clocks.wall())
    # Three nights pass while every process sleeps: the next to start makes up for them, once.
    clocks.travel(3 * DAY + timedelta(hours=5))
    await plan()
    assert (await claimed(database, clocks)).key == "2026-03-12"
    assert await claim(database, clocks) is None
    assert (await row(database, "2026-03-15")).due_at == datetime(2026, 3, 15, 3, tzinfo=UTC)
    # A clock that is set back plans no night a second time.
    clocks.travel(-4 * DAY)
    await plan()
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Job)) == 3


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("Europe/Berlin", "2026-03-28T01:59:59Z", "2026-03-28T02:00:00Z"),
        ("Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z"),  # summer time begins at 2
        ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"),
        ("Europe/Berlin", "2026-10-24T01:00:00Z", "2026-10-25T02:00:00Z"),  # and ends at 3
        ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"),
        ("Europe/Berlin", "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"),
        ("Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-29T00:00:00Z"),
        ("Pacific/Kiritimati", "2026-03-10T12:59:00Z", "2026-03-10T13:00:00Z"),
        ("Pacific/Niue", "2026-03-10T13:59:00Z", "2026-03-10T14:00:00Z"),
    ],
)  # fmt: skip
def test_the_next_night_by_the_clocks_of_the_place(zone: str, now: str, expected: str) -> None:
    found = next_night(datetime.fromisoformat(now), ZoneInfo(zone))
    assert found == datetime.fromisoformat(expected)


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "America/Nuuk", "Australia/Lord_Howe", "UTC"])
def test_each_day_of_a_year_has_one_night(zone: str) -> None:
    place, now = ZoneInfo(zone), datetime(2026, 1, 1, 12, tzinfo=UTC)
    nights = []
    for _ in range(365):
        now = next_night(now, place)
        nights.append(now.astimezone(place).date())
    assert nights == sorted(set(nights))
    assert (nights[-1] - nights[0]).days == 364
