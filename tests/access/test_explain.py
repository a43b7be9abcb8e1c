"""Explanations: they agree with unlock, now and of any past instant, and say what isn't known."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, get_args

import httpx2
import pytest
from sqlalchemy import select, update

from service.access.elsewhere import CONTRACTS_OF_TODAY
from service.access.explain import (
    AHEAD,
    BROWSERS_METER,
    CUT_AGAIN,
    METER_OF_TODAY,
    NO_BROWSER,
    NO_RULES_YET,
    NOT_THERE_YET,
    READERS_BROWSER,
    SETTINGS_OF_TODAY,
    UNKNOWN_BROWSER,
)
from service.db.session import Database
from service.db.tables import Article, GiftLink, GiftOpening, Grant, Reader, ReaderDevice
from service.grants.comps import give_comp, revoke_comp
from service.grants.grants import Source
from service.grants.store import put_grant
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.keys import create_api_key

ADDRESS = "/v1/admin/explain"
SLUGS = "abcd"
LEVELS: list[dict[str, Any]] = [
    {"level": "free"}, {"level": "metered"}, {"level": "registered"}, {"level": "subscribers"},
    {"level": "subscribers", "plans": ["print"]},
    {"level": "metered", "schedule": {"free_hours": 2}},
    {"level": "metered", "schedule": {"subscribers_after_days": 1}},
]  # fmt: skip
GIVEN: list[Source] = sorted(set(get_args(Source)) - {"subscription", "comp", "crawler"})
"""Sources without a step of their own; of crawlers no grant is kept."""
Step = Callable[["Story"], Coroutine[Any, Any, None]]


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    with_few = settings.model_copy(update={"meter_limit": 1, "registered_meter_limit": 2})
    async with inside(database, with_few, clocks) as made:
        yield made


async def explained(paywall: Paywall, reader: str, slug: str, **query: str) -> dict[str, Any]:
    asked = {"reader": reader, "article": slug, **query}
    answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


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


def used(meter: dict[str, Any] | None) -> int | None:
    return meter["used"] if meter is not None else None


def shown(explanation: dict[str, Any]) -> tuple[Any, ...]:
    if explanation["outcome"] == "hidden":
        return ("hidden", False, None, None)
    names = ("reason", "granted", "would_consume")
    return (*(explanation[name] for name in names), used(explanation["meter"]))


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
    [
        ("sqlite", 0),
        ("sqlite", 1),
        ("sqlite", 2),
        ("postgresql", 3),
        ("postgresql", 4),
        ("postgresql", 5),
    ],
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


@on_sqlite
async def test_the_trail_says_what_each_rule_saw(paywall: Paywall) -> None:
    await paywall.publish("a", access={"level": "subscribers"})
    reader = await paywall.sign_in("plan:digital")
    told = await explained(paywall, reader, "a")
    assert [(step["rule"], step["decided"]) for step in told["trail"]] == [
        ("visible", False), ("free", False), ("grant", True)
    ]  # fmt: skip
    assert told["trail"][2]["saw"] == "subscription plan:digital"
    assert (told["outcome"], told["reason_text"]) == ("open", "by subscription")
    assert told["level"] == {"level": "subscribers", "source": "article", "until": None}
    assert (told["recorded"], told["unknown"]) == (None, [])


@on_sqlite
async def test_what_is_not_known_is_said(paywall: Paywall, clocks: MovingClocks) -> None:
    before = clocks.business()
    clocks.travel(timedelta(hours=1))
    await paywall.publish("new", access={"level": "free"})
    reader = await paywall.sign_in("plan:digital")
    then = clocks.travel(timedelta(hours=1))
    assert NO_BROWSER not in (await explained(paywall, reader, "new"))["unknown"]
    clocks.travel(timedelta(hours=1))
    await paywall.publish("new", access={"level": "metered"}, section="arts")
    async with paywall.database.transaction() as session:
        await session.execute(update(Grant).values(recorded_since=None, updated_at=before))
        await session.execute(update(Grant).values(ends_at=then, updated_at=clocks.business()))
    early = await explained(paywall, reader, "new", at=instant(before))
    assert (early["outcome"], early["level"]) == ("hidden", None)
    assert {NOT_THERE_YET, "The reader wasn't known yet."} <= set(early["unknown"])
    middle = await explained(paywall, reader, "new", at=instant(then))
    assert middle["reason"] == "free"
    assert CUT_AGAIN in middle["unknown"]
    assert any("1 of the reader's grants" in each for each in middle["unknown"])
    assert (await explained(paywall, reader, "new"))["unknown"] == [NO_BROWSER]
    ahead = await explained(paywall, reader, "new", at="2100-01-01T00:00:00Z")
    assert AHEAD in ahead["unknown"]


@on_sqlite
async def test_the_meter_of_an_unconfirmed_reader_is_the_last_browsers(paywall: Paywall) -> None:
    await paywall.publish("a")
    await paywall.publish("b")
    reader = await paywall.sign_in()
    assert (await paywall.unlock("a")).status_code == 200
    await paywall.ledger()
    told = await explained(paywall, reader, "b")
    assert (told["outcome"], told["meter"]["used"]) == ("walled", 1)
    assert told["unknown"] == [BROWSERS_METER]
    again = await explained(paywall, reader, "a")
    assert (again["outcome"], again["would_consume"]) == ("metered", False)
    assert again["recorded"]["consumed"]


@on_sqlite
async def test_a_browser_of_nobody_known_is_explained_by_its_id(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    for slug in "abc":
        await paywall.publish(slug)
    await paywall.publish("d", access={"level": "subscribers"})
    before = clocks.business()
    clocks.travel(timedelta(minutes=1))
    assert (await paywall.unlock("a")).status_code == 200
    assert (await paywall.unlock("b")).status_code == 402
    device = str((await paywall.ledger())[0].device_id)
    for slug in "abd":
        look = (await paywall.client.get(f"/v1/articles/{slug}/access")).json()
        seen = (look["reason"], look["granted"], look["would_consume"], used(look["meter"]))
        for named in (device, f"device:{device}"):
            told = await explained(paywall, named, slug)
            assert shown(told) == seen
            assert (told["reader_id"], told["device"], told["unknown"]) == (None, device, [])
    assert (await explained(paywall, device, "a"))["recorded"]["consumed"]
    early = await explained(paywall, device, "a", at=instant(before))
    assert (early["would_consume"], early["recorded"]) == (True, None)
    assert UNKNOWN_BROWSER in early["unknown"]

    now = clocks.business()
    async with paywall.database.transaction() as session:
        article = await session.scalar(select(Article.id).where(Article.slug == "d"))
        session.add(GiftLink(
            id="gft_1", reader_id="rdr_giver", article_id=article, month=now, most_readers=3, readers=1,
            created_at=now, ends_at=now + timedelta(days=9), ended_at=now + timedelta(days=2),
        ))  # fmt: skip
        await session.flush()
        session.add(GiftOpening(link_id="gft_1", device_id=device, opened_at=now))
    opened = clocks.travel(timedelta(days=1))
    assert shown(await explained(paywall, device, "d"))[:2] == ("gift", True)
    clocks.travel(timedelta(days=2))
    assert shown(await explained(paywall, device, "d"))[:2] == ("subscribers_only", False)
    then = await explained(paywall, device, "d", at=instant(opened))
    assert shown(then)[:2] == ("gift", True)
    async with paywall.database.transaction() as session:
        reader = await create_reader(session, email=None, clocks=clocks)
        session.add(ReaderDevice(device_id=device, reader_id=reader.id, linked_at=now))
    assert READERS_BROWSER in (await explained(paywall, device, "d"))["unknown"]
    asked = {"reader": "dev_1", "article": "a"}
    answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
    assert answer.status_code == 404


@on_sqlite
async def test_a_gift_link_on_a_browser_of_theirs_is_said(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a", access={"level": "subscribers"})
    reader, now = await paywall.sign_in(), clocks.business()
    async with paywall.database.transaction() as session:
        article = await session.scalar(select(Article.id).where(Article.slug == "a"))
        link = GiftLink(
            id="gft_1", reader_id="rdr_giver", article_id=article, month=now, most_readers=3, readers=1,
            created_at=now, ends_at=now + timedelta(days=30), ended_at=None,
        )  # fmt: skip
        session.add_all([link, ReaderDevice(device_id="dev_1", reader_id=reader, linked_at=now)])
        await session.flush()
        session.add(GiftOpening(link_id="gft_1", device_id="dev_1", opened_at=now))
    later = clocks.travel(timedelta(days=1))
    told = await explained(paywall, reader, "a")
    assert told["outcome"] == "walled"
    assert "in one of theirs a gift link opens this article until 9 April 2026" in str(
        told["unknown"]
    )
    async with paywall.database.transaction() as session:
        await session.execute(update(GiftLink).values(ended_at=later))
    assert "gift link" not in str((await explained(paywall, reader, "a"))["unknown"])


@on_sqlite
async def test_of_a_past_instant_it_says_which_rules_are_todays(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a")
    reader, times = await paywall.sign_in(), []
    meter = {"window": "day", "anonymous": 7, "registered": 7}
    levels = {"levels": {"default": {"level": "metered"}}}
    for rules in (None, levels, {**levels, "meter": meter}):
        if rules is not None:
            saved = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
            assert saved.status_code == 200, saved.text
        times.append(clocks.business())
        clocks.travel(timedelta(hours=1))
    told = [await explained(paywall, reader, "a", at=instant(at)) for at in times]
    about = {SETTINGS_OF_TODAY, NO_RULES_YET, METER_OF_TODAY}
    assert [about & set(each["unknown"]) for each in told] == [
        {SETTINGS_OF_TODAY, NO_RULES_YET}, {SETTINGS_OF_TODAY, METER_OF_TODAY}, {SETTINGS_OF_TODAY},
    ]  # fmt: skip
    assert [each["meter"]["limit"] for each in told] == [1, 1, 7]
    assert about.isdisjoint((await explained(paywall, reader, "a"))["unknown"])


@on_sqlite
async def test_the_networks_from_which_it_opens_are_said(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a", access={"level": "subscribers", "plans": ["digital"]})
    reader = await paywall.sign_in()

    async def agree(name: str, plan: str = "digital", *networks: str, slug: str = "") -> None:
        body = {"name": name, "plan": plan, "networks": networks, "domains": ["library.example"]}
        slug = slug or name.lower().replace(" ", "-")
        put = await paywall.client.put(
            f"/v1/admin/institutions/{slug}", json=body, headers=paywall.staff
        )
        assert put.status_code == 200, put.text

    async def said(**query: str) -> list[str]:
        unknown = (await explained(paywall, reader, "a", **query))["unknown"]
        return [each for each in unknown if "network of" in each or each == CONTRACTS_OF_TODAY]

    await agree("By Domain")
    await agree("Other Plan", "print", "192.0.2.0/25")
    assert await said() == []
    await agree("City Library", "digital", "198.51.100.0/24")
    signed = clocks.business()
    assert await said() == ["From a network of City Library it opens without signing in."]
    clocks.travel(timedelta(hours=1))
    for n in range(1, 5):
        await agree(f"School {n}", "digital", f"203.0.113.{16 * n}/28")
    assert await said() == [
        "From a network of City Library, School 1, School 2 or 2 more it opens without signing in."
    ]
    assert await said(at=instant(signed)) == [
        "From a network of City Library it opens without signing in."
    ]
    await agree("City Library", "digital", "198.51.100.0/25")
    assert (await said(at=instant(signed)))[1:] == [CONTRACTS_OF_TODAY]
    await agree("City Library", "digital", "198.51.100.128/25", slug="second")
    (both,) = await said()
    assert "City Library (city-library), City Library (second), School 1 or 3 more" in both
    await paywall.publish("a", access={"level": "free"})
    assert await said() == []


@on_sqlite
async def test_what_cannot_be_explained(paywall: Paywall) -> None:
    await paywall.publish("a")
    reader = await paywall.sign_in()
    cases = {
        (reader, "nothing"): 404, ("rdr_unknown", "a"): 404, ("nobody@example.org", "a"): 404,
        ("a@b@c", "a"): 422, ("", "a"): 422, (reader, ""): 422, ("x" * 256, "a"): 422,
    }  # fmt: skip
    for (who, slug), status in cases.items():
        asked = {"reader": who, "article": slug}
        answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
        assert answer.status_code == status, (who, slug, answer.text)
    for at in ("soon", "2026-03-10", "2026-03-10T09:00:00", "9999-12-31T23:59:59-23:00"):
        asked = {"reader": reader, "article": "a", "at": at}
        answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
        assert answer.status_code == 422, at


@on_sqlite
async def test_a_former_slug_and_a_confirmed_address_are_understood(paywall: Paywall) -> None:
    await paywall.publish("a")
    reader = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader).values(
                verified_key="ana@example.org", email_verified_at=paywall.clocks.business()
            )
        )
    told = await explained(paywall, "Ana@Example.org", "a")
    assert told["reader_id"] == reader


@on_sqlite
async def test_what_was_read_is_for_those_who_may_see_readers(paywall: Paywall) -> None:
    await paywall.publish("a")
    reader = await paywall.sign_in()
    await paywall.unlock("a")
    whole = await explained(paywall, reader, "a")
    assert (whole["reader_id"], whole["recorded"]["granted"]) == (reader, True)
    async with paywall.database.transaction() as session:
        key = await create_api_key(
            session, label="Desk", scopes=["decisions:read"], now=paywall.clocks.wall()
        )
    answer = await paywall.client.get(
        ADDRESS,
        params={"reader": reader, "article": "a"},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.json() == whole | {"reader_id": None, "recorded": None}
