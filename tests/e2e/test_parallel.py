"""The meter under concurrency, over real HTTP: one process on SQLite, two on PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import AccessEntry
from service.identity.cookies import cookie_name
from service.identity.devices import HEADER, device_key, new_device_id
from service.identity.sessions import open_session
from service.settings import Settings
from tests.account.visitor import Visitor
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of
from tests.forked import processes
from tests.inside import inside
from tests.keys import create_api_key
from tests.mailbox import newest_mail
from tests.patience import PATIENCE
from tests.processes import serving_processes, serving_workers
from tests.reports import rows

pytestmark = [processes]
MANY = 50


@dataclass
class Readers:
    """Clients that ask the processes in turn, all as one device."""

    client: httpx2.AsyncClient
    urls: list[str]
    database: Database
    by_others: int
    """Articles that were used up before."""
    device: str = ""

    async def unlock(self, slug: str, turn: int = 0) -> httpx2.Response:
        headers = {HEADER: self.device} if self.device else {}
        url = self.urls[turn % len(self.urls)]
        self.client.cookies.clear()
        return await self.client.post(f"{url}/v1/articles/{slug}/unlock", headers=headers)

    async def consumed(self) -> int:
        """How many articles this device has used up."""
        return await _consumed(self.database) - self.by_others


async def _consumed(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).where(AccessEntry.consumed)) or 0


async def _key(database: Database) -> str:
    async with database.transaction() as session:
        now = MovingClocks().wall()
        return await create_api_key(session, label="t", scopes=["articles:write"], now=now)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[list[str], str, dict[str, str]]]:
    """The addresses of processes with many articles, their database's URL, and headers of the newsroom."""
    count = 1 if request.param == "sqlite" else 2
    with (
        database_of(request, request.param) as database_url,
        serving_processes(settings_of(database_url), count) as processes,
    ):
        database = Database(database_url)
        with asyncio.Runner() as runner:
            key = runner.run(_key(database))
            runner.run(database.dispose())
        urls = [process.url for process in processes]
        staff = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=urls[0], headers=staff, timeout=PATIENCE) as client:
            own = [f"own-{number}" for number in range(12)]
            for slug in ("a", "b", *(f"p{number}" for number in range(MANY)), *own):
                tags = ["own"] if slug in own else []
                body = {"title": slug, "body": "<p>One</p><!--more--><p>Two</p>", "tags": tags}
                assert client.put(f"/v1/admin/articles/{slug}", json=body).status_code == 201
        yield urls, database_url, staff


@pytest.fixture
async def readers(served: tuple[list[str], str, dict[str, str]]) -> AsyncIterator[Readers]:
    """A device with one free article left."""
    urls, database_url, _ = served
    database = Database(database_url)
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        made = Readers(client, urls, database, await _consumed(database))
        made.device = (await made.unlock("a")).json()["device_token"]
        assert (await made.unlock("b")).json()["meter"]["remaining"] == 1
        yield made
    await database.dispose()


async def test_one_of_many_articles_gets_the_last_place(readers: Readers) -> None:
    asked = (readers.unlock(f"p{turn}", turn) for turn in range(MANY))
    answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 402: MANY - 1}
    assert {answer.json()["meter"]["used"] for answer in answers if answer.status_code == 402} == {
        3
    }
    passed = next(slug for slug, answer in enumerate(answers) if answer.status_code == 200)
    for turn in range(2):
        again = (await readers.unlock(f"p{passed}", turn)).json()
        assert (again["consumed"], again["meter"]["used"]) == (False, 3)
    assert await readers.consumed() == 3


async def test_one_article_asked_for_many_times_counts_once(readers: Readers) -> None:
    answers = await asyncio.gather(*(readers.unlock("p0", turn) for turn in range(MANY)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["consumed"] for answer in answers) == 1
    assert await readers.consumed() == 3
    assert (await readers.unlock("p1")).status_code == 402


@pytest.mark.parametrize("window", ["month", "rolling"])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_signing_in_amid_the_calls_opens_one_more_and_no_other(
    database: Database, settings: Settings, clocks: MovingClocks, window: str
) -> None:
    """The device has one place left, the reader's own meter has one: each is given away once."""
    slugs = [f"p{number}" for number in range(MANY)]
    async with inside(database, settings, clocks) as paywall:
        for slug in ("a", "b", *slugs):
            await paywall.publish(slug)
    variables = {
        "PAYWALL_REGISTERED_METER_LIMIT": "1",
        "PAYWALL_METER_WINDOW": window,
        "PAYWALL_MAIL_FROM": "Gazette <hello@gazette.example.org>",
    }
    with serving_workers(settings, 2, **variables) as served:
        async with httpx2.AsyncClient(
            base_url=served.url, timeout=PATIENCE, cookies=_forgetful()
        ) as client:
            visitor = Visitor(client, settings)
            assert (await visitor.ask("ana@example.org")).status_code == 202
            for slug in "ab":
                opened = await visitor.call("POST", f"/v1/articles/{slug}/unlock")
                assert opened.json()["consumed"]
            mail = await newest_mail(database, "ana@example.org")
            unknown = replace(visitor)

            async def unlock(slug: str, by: Visitor) -> httpx2.Response:
                return await by.call("POST", f"/v1/articles/{slug}/unlock")

            before = [asyncio.create_task(unlock(slug, unknown)) for slug in slugs[: MANY // 2]]
            await asyncio.wait(before, return_when=asyncio.FIRST_COMPLETED)
            assert (await visitor.confirm(token=mail.token)).status_code == 200
            after = [unlock(slug, visitor) for slug in slugs[MANY // 2 :]]
            by_device, by_reader = await asyncio.gather(
                asyncio.gather(*before), asyncio.gather(*after)
            )
            for answers in (by_device, by_reader):
                counts = Counter(answer.status_code for answer in answers)
                assert counts == {200: 1, 402: MANY // 2 - 1}
            # What the device has read stays open to the reader, and counts nothing.
            assert not (await unlock("a", visitor)).json()["consumed"]
    assert await _consumed(database) == 4


async def test_who_came_by_a_gift_link_meets_no_wall_in_any_process(
    served: tuple[list[str], str, dict[str, str]],
) -> None:
    urls, database_url, staff = served
    slug, opens = "of-the-few", ("of-the-few", "everything")
    database = Database(database_url)
    async with httpx2.AsyncClient(timeout=PATIENCE, cookies=_forgetful()) as client:
        body = {"title": slug, "body": "<p>One</p><!--more--><p>Two</p>"}
        hidden = {**body, "access": {"level": "subscribers"}}
        address = f"{urls[0]}/v1/admin/articles/{slug}"
        answer = await client.put(address, json=hidden, headers=staff)
        assert answer.status_code == 201
        link = await _given(client, urls[0], database, *opens)

        async def unlock(url: str, device: str, **sent: str) -> httpx2.Response:
            return await client.post(
                f"{url}/v1/articles/{slug}/unlock",
                headers={HEADER: device} if device else {},
                json=sent,
            )

        for _ in range(12):
            device = (await unlock(urls[-1], "")).json()["device_token"]
            for _ in range(3):  # the wall itself is remembered from now on
                assert (await unlock(urls[-1], device)).status_code == 402
            opened = (await unlock(urls[0], device, gift=link)).json()
            assert opened["reason"] == "gift"
            assert (await unlock(urls[-1], device)).json()["reason"] == "gift"
    await database.dispose()


LIMITS = {"anonymous": 3, "registered": 4, "former": 2}
LENGTHS = {"day": {1}, "week": {7}, "month": {28, 29, 30, 31}, "rolling": {9}}
WINDOWS = (
    {"window": "day"},
    {"window": "week"},
    {"window": "month"},
    {"window": "rolling", "days": 9},
)


@pytest.mark.parametrize("named", [False, True], ids=["the usual meter", "a meter of its own"])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda each: each["window"])
async def test_every_window_is_exact_for_every_audience(
    served: tuple[list[str], str, dict[str, str]], window: dict[str, Any], named: bool
) -> None:
    """By new rules each time, which hold in every process before anybody reads."""
    urls, database_url, staff = served
    database = Database(database_url)
    # Other limits by the one than by the other: else a process that has yet to see the rules seems to have.
    allowed = {audience: most + named for audience, most in LIMITS.items()}
    rule = {**window, **allowed}
    limits = {"window": "month", "anonymous": 1, "registered": 1} if named else rule
    own = [{"name": f"own-{window['window']}", "tags": ["own"], **rule}] if named else []
    async with httpx2.AsyncClient(timeout=PATIENCE, cookies=_forgetful()) as client:
        changed = await client.put(
            f"{urls[0]}/v1/admin/rules", headers=staff,
            json={"levels": {"default": {"level": "metered"}}, "meter": limits, "meters": own},
        )  # fmt: skip
        assert changed.status_code == 200, changed.text
        slug = "own-0" if named else "p0"
        for url in urls:
            await _until_asked(client, f"{url}/v1/articles/{slug}/access", rule)
        for audience, most in allowed.items():
            headers = await _one_of(database, audience)
            answers = await asyncio.gather(*(
                client.post(
                    f"{urls[n % len(urls)]}/v1/articles/{slug[:-1]}{n}/unlock", headers=headers
                )
                for n in range(12)
            ))  # fmt: skip
            counts = Counter(answer.status_code for answer in answers)
            assert counts == {200: most, 402: 12 - most}, audience
    await database.dispose()


def _forgetful() -> CookieJar:
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


async def _until_asked(client: httpx2.AsyncClient, url: str, rule: dict[str, Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            meter = (await client.get(url)).json()["meter"]
            began, over = map(datetime.fromisoformat, (meter["window_start"], meter["resets_at"]))
            if (over - began).days in LENGTHS[rule["window"]] and meter["limit"] == rule[
                "anonymous"
            ]:
                return
            await asyncio.sleep(0.05)


async def _given(
    client: httpx2.AsyncClient, url: str, database: Database, slug: str, scope: str
) -> str:
    """The token of a gift link that a new subscriber has made."""
    now, settings = Clocks().wall(), settings_of(database.url)
    reader = rows.reader(email_verified_at=now)
    async with database.transaction() as session:
        session.add(reader)
        await session.flush()
        session.add(
            rows.grant(reader, source="subscription", scope=scope, starts_at=now, ends_at=None)
        )
        opened = await open_session(session, reader_id=reader.id, now=now, settings=settings)
    cookie = {"Cookie": f"{cookie_name('session', settings)}={opened.token}"}
    made = await client.post(f"{url}/v1/articles/{slug}/gift-links", headers=cookie)
    assert made.status_code == 201, made.text
    return httpx2.URL(made.json()["url"]).params["gift"]


async def _one_of(database: Database, audience: str) -> dict[str, str]:
    """The headers of a new device, or of a reader who is signed in and has subscribed before or not."""
    now, settings = Clocks().wall(), settings_of(database.url)
    device = {HEADER: device_key(settings).sign(new_device_id(now))}
    if audience == "anonymous":
        return device
    reader = rows.reader(email_verified_at=now)
    async with database.transaction() as session:
        session.add(reader)
        if audience == "former":
            offer = rows.offer()
            session.add(offer)
            await session.flush()
            session.add(rows.subscription(reader, offer, status="canceled", ended_at=now))
        await session.flush()
        opened = await open_session(session, reader_id=reader.id, now=now, settings=settings)
    return {**device, "Cookie": f"{cookie_name('session', settings)}={opened.token}"}
