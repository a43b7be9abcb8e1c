"""Answers from memory are the router's, byte for byte, and nobody gets one that the router refuses."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.access.hot import HotRoutes
from service.access.revocations import Revocations
from service.app import Service
from service.content.cache import ArticleCache
from service.grants.store import put_grant
from service.html.public_answer import CODINGS
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall

pytestmark = on_sqlite

PAGE = "https://www.gazette.example"


class Counted:
    """The application, with the number of requests that its router answered."""

    def __init__(self, app: Service) -> None:
        self.app = app
        self.routed = 0
        self.hot = HotRoutes(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def router(scope: Scope, receive: Receive, send: Send) -> None:
            self.routed += 1
            await FastAPI.__call__(self.app, scope, receive, send)

        await self.hot(router, scope, receive, send)


@pytest.fixture
def counted(paywall: Paywall) -> Counted:
    return Counted(paywall.app)


@pytest.fixture
async def client(counted: Counted, paywall: Paywall) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=counted)
    async with httpx2.AsyncClient(
        transport=transport, base_url=paywall.settings.public_url
    ) as made:
        yield made


async def bearer(paywall: Paywall, slug: str = "a") -> dict[str, str]:
    return {"Authorization": f"Bearer {(await paywall.unlock(slug)).json()['token']}"}


def shown(answer: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, headers, answer.content


@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "br;q=1, gzip;q=0.5", "gzip;q=0"])
@pytest.mark.parametrize("path", ["/v1/articles/a", "/v1/articles/a/full"])
async def test_the_second_answer_is_the_first_one_again(
    path: str, coding: str, paywall: Paywall, counted: Counted, client: httpx2.AsyncClient
) -> None:
    headers = {**await bearer(paywall), "Accept-Encoding": coding}
    first = await client.get(path, headers=headers)
    second = await client.get(path, headers={**headers, "X-Request-Id": "from-a-proxy"})
    assert first.status_code == 200
    assert shown(second) == shown(first)
    assert counted.routed == 1
    assert second.headers["x-request-id"] == "from-a-proxy"
    assert len(first.headers["x-request-id"]) == 16


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": '"x"'},
        {"Origin": "https://elsewhere.example"},
        {"Authorization": "Basic x"},
    ],
)
async def test_what_depends_on_more_goes_to_the_router(
    headers: dict[str, str], paywall: Paywall, counted: Counted, client: httpx2.AsyncClient
) -> None:
    for _ in range(3):
        await client.get("/v1/articles/a/full", headers={**await bearer(paywall), **headers})
    assert counted.routed == 3


async def test_a_listed_origin_has_its_own_answer(
    paywall: Paywall, client: httpx2.AsyncClient, counted: Counted
) -> None:
    own = {**await bearer(paywall), "Origin": paywall.settings.public_url}
    for headers in (own, await bearer(paywall)):
        answers = [await client.get("/v1/articles/a/full", headers=headers) for _ in range(3)]
        allowed = {each.headers.get("Access-Control-Allow-Origin") for each in answers}
        assert allowed == {headers.get("Origin")}
    assert counted.routed == 2


async def test_a_change_is_answered_at_once(paywall: Paywall, client: httpx2.AsyncClient) -> None:
    headers = await bearer(paywall)
    for path in ("/v1/articles/a", "/v1/articles/a/full"):
        for title in ("One", "Two"):
            await paywall.publish("a", title=title)
            for _ in range(3):
                answer = (await client.get(path, headers=headers)).json()
                assert answer.get("article", answer)["title"] == title


async def test_a_withdrawn_article_is_gone(paywall: Paywall, client: httpx2.AsyncClient) -> None:
    headers = await bearer(paywall)
    for _ in range(3):
        assert (await client.get("/v1/articles/a/full", headers=headers)).status_code == 200
    await paywall.client.delete("/v1/admin/articles/a", headers=paywall.staff)
    for path in ("/v1/articles/a", "/v1/articles/a/full"):
        assert (await client.get(path, headers=headers)).status_code == 404


async def test_a_schedule_ends_what_is_kept(
    paywall: Paywall, client: httpx2.AsyncClient, counted: Counted
) -> None:
    await paywall.publish("a", access={"level": "subscribers", "schedule": {"free_hours": 1}})
    for minutes, opened in ((0, True), (58, True), (1, True), (1, False)):
        paywall.clocks.travel(timedelta(minutes=minutes))
        for _ in range(2):
            answer = await client.get("/v1/articles/a")
            assert (CANARY in answer.text) is opened
        before = counted.routed
        await client.get("/v1/articles/a")
        # In its last minute caches are told how many seconds are left.
        assert (counted.routed > before) is (minutes == 1 and opened)


async def test_a_token_is_judged_each_time(
    paywall: Paywall, client: httpx2.AsyncClient, counted: Counted
) -> None:
    await paywall.sign_in("everything")
    token = await paywall.access_token()
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        assert (await client.get("/v1/articles/a/full", headers=headers)).status_code == 200
    assert counted.routed == 2  # the article wasn't in memory yet
    assert (await client.get("/v1/articles/a/full")).status_code == 401
    foreign = await bearer(paywall, "b")
    assert (await client.get("/v1/articles/a/full", headers=foreign)).status_code == 403
    await paywall.client.delete("/v1/session")
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)
    assert (await client.get("/v1/articles/a/full", headers=headers)).status_code == 401


async def test_an_access_token_opens_no_longer_than_its_grants(
    paywall: Paywall, client: httpx2.AsyncClient
) -> None:
    reader_id = await paywall.sign_in()
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="comp", reference="c", reader_id=reader_id, scope="everything",
            starts_at=now, ends_at=now + timedelta(minutes=3), now=now,
        )  # fmt: skip
    headers = {"Authorization": f"Bearer {await paywall.access_token()}"}
    await paywall.publish("a", access={"level": "subscribers"})
    for minutes, status in ((0, 200), (2, 200), (1, 403)):
        paywall.clocks.travel(timedelta(minutes=minutes))
        for _ in range(3):
            answer = await client.get("/v1/articles/a/full", headers=headers)
            assert answer.status_code == status


async def test_a_read_is_recorded_once_a_day(paywall: Paywall, client: httpx2.AsyncClient) -> None:
    await paywall.sign_in("everything")
    await paywall.client.get("/v1/articles/a")
    for _ in range(2):
        headers = {"Authorization": f"Bearer {await paywall.access_token()}"}
        for _ in range(4):
            await client.get("/v1/articles/a/full", headers=headers)
        paywall.clocks.travel(timedelta(days=1))
    assert len([row for row in await paywall.ledger() if row.once]) == 2


async def test_nothing_is_kept_of_a_copy_that_was_dropped_meanwhile(
    paywall: Paywall, client: httpx2.AsyncClient
) -> None:
    cache = paywall.app.running.get(ArticleCache)
    await client.get("/v1/articles/a")
    held = cache.peek("a", paywall.clocks.business())
    assert held is not None

    async def router(scope: Scope, receive: Receive, send: Send) -> None:
        cache.drop_all()
        await FastAPI.__call__(paywall.app, scope, receive, send)

    async def through(scope: Scope, receive: Receive, send: Send) -> None:
        await HotRoutes(paywall.app)(router, scope, receive, send)

    transport = httpx2.ASGITransport(app=through)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as dropping:
        assert (await dropping.get("/v1/articles/a")).status_code == 200
    assert held.answers == {}


async def test_a_full_answer_is_compressed_as_asked_and_an_unlocking_never(
    paywall: Paywall, client: httpx2.AsyncClient
) -> None:
    """An unlocking holds a token: beside what the caller sends, compressed, it could be guessed."""
    await paywall.publish("long", body="<p>One.</p><!--more-->" + "<p>Another sentence.</p>" * 90)
    whole = await bearer(paywall, "long")
    bodies = set()
    for _ in range(2):
        for coding in ("identity", *CODINGS):
            headers = {**whole, "Accept-Encoding": coding}
            answer = await client.get("/v1/articles/long/full", headers=headers)
            assert answer.headers.get("Content-Encoding", "identity") == coding
            assert answer.headers["Cache-Control"] == "private, no-store"
            assert "ETag" not in answer.headers
            bodies.add(answer.content)
            unlocked = await client.post(
                "/v1/articles/long/unlock", headers={"Accept-Encoding": coding}
            )
            assert "Content-Encoding" not in unlocked.headers
    assert len(bodies) == 1
