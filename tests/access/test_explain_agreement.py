"""Explanations agree with unlock, now and of any past instant, in stories by chance."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from service.db.session import Database
from service.db.tables import Reader
from service.grants.comps import give_comp, revoke_comp
from service.grants.store import put_grant
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
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
from tests.inside import Paywall

SLUGS = "abcd"
Step = Callable[["Story"], Coroutine[Any, Any, None]]


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside_with_few(database, settings, clocks) as made:
        yield made


@dataclass
class Reading:
    """A reader in a browser of theirs."""

    id: str
    browser: httpx2.AsyncClient


@dataclass
class Story:
    """What happens to some readers and articles, and what the service answered meanwhile."""

    paywall: Paywall
    chance: random.Random
    readers: list[Reading] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    comps: list[str] = field(default_factory=list)
    answered: list[tuple[datetime, str, str, tuple[Any, ...]]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.paywall.clocks.business()

    async def publish(self) -> None:
        slug = self.chance.choice(SLUGS)
        marked = self.chance.random() < 0.8
        fields: dict[str, Any] = {
            "access": self.chance.choice(LEVELS), "tags": self.chance.choice([[], ["Long"]])
        }  # fmt: skip
        if not marked:
            fields |= {"body": "<p>Short.</p>"}
        if self.chance.random() < 0.2:
            later = self.now + timedelta(hours=self.chance.randrange(1, 9))
            fields |= {"status": "scheduled", "published_at": later.isoformat()}
        await self.paywall.publish(slug, **fields)
        self.published.append(slug)

    async def withdraw(self) -> None:
        await self.paywall.client.delete(
            f"/v1/admin/articles/{self.slug()}", headers=self.paywall.staff
        )

    async def subscribe(self) -> None:
        reader, plan = self.reader(), self.chance.choice(["plan:digital", "plan:print"])
        ends_at = self.now + timedelta(hours=self.chance.randrange(1, 60))
        async with self.paywall.database.transaction() as session:
            await put_grant(
                session, source="subscription", reference=f"sub_{reader.id}", reader_id=reader.id,
                scope=plan, starts_at=self.now, ends_at=ends_at, now=self.now,
            )  # fmt: skip

    async def give(self) -> None:
        async with self.paywall.database.transaction() as session:
            given = await give_comp(
                session, reader_id=self.reader().id, ends_at=self.now + timedelta(days=1), note="A prize",
                actor="tests", now=self.now,
            )  # fmt: skip
        self.comps.append(given.id)

    async def be_given(self) -> None:
        reader, source = self.reader(), self.chance.choice(GIVEN)
        ends_at = self.now + timedelta(hours=self.chance.randrange(1, 9))
        async with self.paywall.database.transaction() as session:
            await put_grant(
                session, source=source, reference=f"{source}/{reader.id}", reader_id=reader.id,
                scope=self.chance.choice(["plan:print", "everything"]), starts_at=self.now,
                ends_at=ends_at, now=self.now,
            )  # fmt: skip

    async def take(self) -> None:
        if self.comps:
            async with self.paywall.database.transaction() as session:
                await revoke_comp(session, self.comps.pop(), actor="tests", now=self.now)

    async def confirm(self) -> None:
        reader = self.reader()
        address = f"{reader.id}@example.org"
        async with self.paywall.database.transaction() as session:
            await session.execute(
                update(Reader)
                .where(Reader.id == reader.id, Reader.email_verified_at.is_(None))
                .values(email=address, verified_key=address, email_verified_at=self.now)
            )

    async def read(self) -> None:
        """Unlock an article, after the look at what that would answer is noted."""
        reader, slug = self.reader(), self.slug()
        look = await reader.browser.get(f"/v1/articles/{slug}/access")
        seen: tuple[Any, ...] = ("hidden", False, None, None)
        if look.status_code == 200:
            said = look.json()
            seen = (said["reason"], said["granted"], said["would_consume"], used(said["meter"]))
        self.answered.append((self.now, reader.id, slug, seen))
        assert shown(await explained(self.paywall, reader.id, slug)) == seen
        unlocked = await reader.browser.post(f"/v1/articles/{slug}/unlock")
        if look.status_code == 200:
            assert unlocked.json()["reason"] == seen[0]
        if unlocked.status_code == 402:
            assert used(unlocked.json()["meter"]) == seen[-1], "a wall consumes nothing"

    def reader(self) -> Reading:
        return self.chance.choice(self.readers)

    def slug(self) -> str:
        return self.chance.choice(self.published)

    async def arrive(self) -> None:
        """A new reader without a confirmed address, who has a browser with a device cookie."""
        paywall = self.paywall
        async with paywall.database.transaction() as session:
            reader = await create_reader(session, email=None, clocks=paywall.clocks)
            opened = await open_session(
                session, reader_id=reader.id, now=paywall.clocks.wall(), settings=paywall.settings
            )
        browser = paywall.new_client()
        name = cookie_name("session", paywall.settings)
        browser.cookies.set(name, opened.token, domain="127.0.0.1")
        self.readers.append(Reading(reader.id, browser))


STEPS: list[Step] = [
    Story.read, Story.read, Story.read, Story.read, Story.publish, Story.publish, Story.subscribe,
    Story.give, Story.be_given, Story.take, Story.confirm, Story.withdraw,
]  # fmt: skip


METERS: list[dict[str, Any]] = [
    {},
    {
        "meter": {"window": "rolling", "days": 1, "anonymous": 1, "registered": 2, "former": 0},
        "meters": [
            {"name": "long", "tags": ["Long"], "window": "rolling", "days": 2, "anonymous": 1,
             "registered": 1},
        ],
    },
    {
        "meter": {"window": "day", "anonymous": 2, "registered": 3,
                  "entries": [{"entry": "direct", "anonymous": 1}]},
        "meters": [{"name": "long", "tags": ["Long"], "window": "week", "anonymous": 1, "registered": 1}],
    },
]  # fmt: skip


@pytest.mark.parametrize(
    ("database_url", "seed"),
    # Rolling windows and meters of their own on both: they count by code of their own.
    [("sqlite", 0), ("postgresql", 1), ("sqlite", 4), ("postgresql", 2)],
    indirect=["database_url"],
)
async def test_an_explanation_agrees_with_unlock_then_and_later(
    paywall: Paywall, clocks: MovingClocks, seed: int
) -> None:
    story = Story(paywall, random.Random(seed))  # noqa: S311 it repeats
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    body = {**rules, **METERS[seed % len(METERS)]}
    put = await paywall.client.put("/v1/admin/rules", json=body, headers=paywall.staff)
    assert put.status_code == 200, put.text
    for _ in range(2):
        await story.arrive()
        await story.publish()
    for _ in range(60):
        clocks.travel(timedelta(minutes=story.chance.randrange(1, 240)))
        await story.chance.choice(STEPS)(story)
    assert not any(row.consumed for row in await paywall.ledger() if row.wall is not None)
    assert len({seen for *_, seen in story.answered}) > 4, "the story is too dull to show anything"
    for at, reader, slug, seen in story.answered:
        later = await explained(paywall, reader, slug, at=instant(at))
        assert shown(later) == seen, (seed, at, later)
    for reading in story.readers:
        await reading.browser.aclose()
