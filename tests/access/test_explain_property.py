"""Whatever the article's level, the reader's grants and the meter: explain says what unlock answers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import update

from service.db.session import Database
from service.db.tables import Reader
from service.grants.grants import Source
from service.grants.store import put_grant
from service.metering.ledger import Ledger
from service.settings import Settings
from tests.access.explanations import (
    GIVEN,
    LEVELS,
    explained,
    inside_with_few,
    instant,
    shown,
    used,
)
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall

HOUR = timedelta(hours=1)
FILLERS = ("f1", "f2", "f3")


@dataclass(frozen=True)
class Held:
    """A grant from and until a number of hours from now; None: without end."""

    source: Source
    scope: str
    since: int
    until: int | None


@dataclass(frozen=True)
class Case:
    """`age` is the article's in hours; `read` of the fillers are read before, and `again`: the article too."""

    access: dict[str, Any]
    status: str
    age: int
    verified: bool
    held: list[Held]
    read: int
    again: bool


HELD = st.builds(
    Held,
    source=st.sampled_from(["subscription", "comp", *GIVEN]),
    scope=st.sampled_from(["everything", "plan:digital", "plan:print"]),
    since=st.integers(-3, 1),
    until=st.sampled_from([None, -1, 2]),
)
CASES = st.builds(
    Case,
    access=st.sampled_from(LEVELS),
    status=st.sampled_from(["published"] * 5 + ["draft", "withdrawn"]),
    age=st.sampled_from([0, 3, 30]),
    verified=st.booleans(),
    held=st.lists(HELD, max_size=3),
    read=st.integers(0, len(FILLERS)),
    again=st.booleans(),
)


def case_of(level: str, *held: Held, read: int = 0) -> Case:
    """One that is tried in any case."""
    return Case({"level": level}, "published", 0, False, list(held), read, again=False)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside_with_few(database, settings, clocks) as made:
        for slug in FILLERS:
            await made.publish(slug, access={"level": "metered"})
        yield made


@on_sqlite
async def test_explain_agrees_with_unlock(paywall: Paywall) -> None:
    loop, seen = asyncio.get_running_loop(), set()

    @given(CASES)
    @example(case_of("subscribers", Held("subscription", "everything", -1, None)))
    @example(case_of("metered", Held("comp", "everything", -1, 2)))
    @example(case_of("metered", read=1))
    @example(case_of("metered"))
    @example(case_of("free"))
    @example(replace(case_of("free"), status="draft"))
    @hypothesis_settings(max_examples=30, deadline=None, derandomize=True)
    def agrees(case: Case) -> None:
        seen.add(asyncio.run_coroutine_threadsafe(agree(paywall, case), loop).result())

    await asyncio.to_thread(agrees)
    assert {"hidden", "free", "meter", "meter_exhausted", "subscription", "comp"} <= seen


async def agree(paywall: Paywall, case: Case) -> str:
    """Unlock, look and explain say the same, now and a day later; the reason."""
    clocks, client = paywall.clocks, paywall.client
    await paywall.publish("asked", access=case.access, published_at=instant(clocks.business()))
    clocks.travel(case.age * HOUR)
    client.cookies.clear()
    reader = await paywall.sign_in()
    await give(paywall, reader, case)
    for slug in [*FILLERS[: case.read], *(["asked"] if case.again else [])]:
        await paywall.unlock(slug)
    if case.status != "published":
        await paywall.publish("asked", access=case.access, status=case.status)
    await paywall.app.running.get(Ledger).flush(paywall.database)
    clocks.travel(timedelta(minutes=1))
    now = clocks.business()
    told = await explained(paywall, reader, "asked")
    look = await client.get("/v1/articles/asked/access")
    unlocked = await paywall.unlock("asked")
    if look.status_code == 404:
        assert (unlocked.status_code, told["outcome"]) == (404, "hidden")
    else:
        said, answer = look.json(), unlocked.json()
        assert shown(told) == (
            said["reason"], said["granted"], said["would_consume"], used(said["meter"])
        )  # fmt: skip
        assert (answer["reason"], unlocked.status_code == 200) == (told["reason"], told["granted"])
        if told["granted"]:
            assert answer["consumed"] == told["would_consume"]
    await paywall.app.running.get(Ledger).flush(paywall.database)
    clocks.travel(24 * HOUR)
    later = await explained(paywall, reader, "asked", at=instant(now))
    assert shown(later) == shown(told)
    return str(told["reason"] or "hidden")


async def give(paywall: Paywall, reader: str, case: Case) -> None:
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        for number, each in enumerate(case.held):
            ends_at = None if each.until is None else now + each.until * HOUR
            await put_grant(
                session, source=each.source, reference=f"{reader}/{number}", reader_id=reader, scope=each.scope,
                starts_at=now + each.since * HOUR, ends_at=ends_at, now=now,
            )  # fmt: skip
        if case.verified:
            address = f"{reader}@example.org"
            await session.execute(
                update(Reader)
                .where(Reader.id == reader)
                .values(email=address, verified_key=address, email_verified_at=now)
            )
