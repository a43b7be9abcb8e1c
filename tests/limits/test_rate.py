"""Counters of rate limits, on both databases."""

import asyncio
from datetime import timedelta
from functools import partial

from service.db.session import Database
from service.limits.rate import (
    Limit,
    forget,
    give_back,
    prune,
    take,
    take_each,
    take_for_many,
    too_many,
    used,
)
from tests.conftest import START
from tests.databases import on_sqlite

THREE = Limit("three", 3, timedelta(hours=1), "Only three an hour.")


async def taken(database: Database, after: timedelta = timedelta(0)) -> timedelta | None:
    async with database.transaction() as session:
        return await take(session, THREE, "a", START + after)


async def test_as_many_as_are_allowed_and_the_time_to_wait(database: Database) -> None:
    assert [await taken(database) for _ in range(3)] == [None] * 3
    assert await taken(database, timedelta(minutes=20)) == timedelta(minutes=40)
    assert await taken(database, timedelta(minutes=59, seconds=59.5)) == timedelta(seconds=1)
    assert await taken(database, timedelta(hours=1)) is None


async def test_keys_and_limits_are_apart(database: Database) -> None:
    other = Limit("other", 1, timedelta(hours=1), "")
    for _ in range(3):
        await taken(database)
    async with database.transaction() as session:
        assert await take(session, THREE, "b", START) is None
        assert await take(session, other, "a", START) is None
        assert await take(session, other, "a", START) is not None
        assert await used(session, THREE, "a", START) == 3
        assert await used(session, THREE, "a", START + timedelta(hours=1)) == 0


async def test_of_several_limits_each_counts_or_none(database: Database) -> None:
    one, none = Limit("one", 1, timedelta(hours=2), ""), Limit("none", 0, timedelta(hours=1), "")
    both = ((THREE, "a"), (none, "a"), (one, "a"))

    async def taken_each() -> tuple[Limit, timedelta] | None:
        async with database.transaction() as session:
            return await take_each(session, both, START)

    answers = await asyncio.gather(*(taken_each() for _ in range(6)))
    assert sorted(answers, key=lambda each: each is not None) == [None, *[(one, one.per)] * 5]
    async with database.reading() as session:
        assert await used(session, THREE, "a", START) == 1


async def test_nothing_is_limited_by_nought(database: Database) -> None:
    none = Limit("none", 0, timedelta(hours=1), "")
    async with database.transaction() as session:
        assert [await take(session, none, "a", START) for _ in range(9)] == [None] * 9


async def test_of_many_at_once_exactly_as_many_pass(database: Database) -> None:
    answers = await asyncio.gather(*(taken(database) for _ in range(20)))
    assert sum(answer is None for answer in answers) == 3


async def test_a_clock_that_was_set_back_delays_nobody_for_longer_than_a_window(
    database: Database,
) -> None:
    for _ in range(3):
        await taken(database, timedelta(days=1))
    # It begins anew, and counts from then on.
    assert [await taken(database) for _ in range(3)] == [None] * 3
    assert await taken(database) == timedelta(hours=1)


async def test_clocks_that_differ_a_little_count_as_one(database: Database) -> None:
    for _ in range(3):
        await taken(database, timedelta(seconds=59))
    assert await taken(database) == timedelta(hours=1)
    assert await taken(database, timedelta(hours=1, seconds=59)) is None


async def test_forgetting_and_pruning(database: Database) -> None:
    for _ in range(3):
        await taken(database)
    async with database.transaction() as session:
        await forget(session, THREE, "a")
    assert await taken(database) is None
    await prune(database, START + timedelta(hours=1))
    async with database.reading() as session:
        assert await used(session, THREE, "a", START) == 0


def test_the_answer_says_when_to_come_back() -> None:
    problem = too_many(THREE, timedelta(seconds=90.2))
    assert (problem.type.status, problem.headers["Retry-After"]) == (429, "91")
    assert problem.detail == "Only three an hour."


async def test_an_attempt_is_given_back(database: Database) -> None:
    for _ in range(3):
        await taken(database)
    async with database.transaction() as session:
        await give_back(session, THREE, "a")
        await give_back(session, THREE, "unheard-of")
    assert [await taken(database), await taken(database) is None] == [None, False]


async def for_many(database: Database, wanted: dict[str, int], after: int = 0) -> dict[str, int]:
    now = START + timedelta(minutes=after)
    return await database.in_one_go(partial(take_for_many, limit=THREE, wanted=wanted, now=now))


@on_sqlite
async def test_many_are_counted_at_once(database: Database) -> None:
    await taken(database)
    assert await for_many(database, {"b": 2, "a": 5}) == {"a": 2, "b": 2}
    assert await for_many(database, {"a": 1, "b": 1}) == {"a": 0, "b": 1}
    assert await taken(database) == timedelta(hours=1)
    assert await for_many(database, {"a": 4}, after=60) == {"a": 3}
    assert await for_many(database, {"a": 1}, after=-600) == {"a": 1}  # the clock was set back
    assert await for_many(database, {}) == {}


@on_sqlite
async def test_of_many_batches_at_once_exactly_as_many_pass(database: Database) -> None:
    answers = await asyncio.gather(*(for_many(database, {"a": 2, "b": 1}) for _ in range(10)))
    assert [sum(each[key] for each in answers) for key in "ab"] == [3, 3]
