"""Unlocking in memory is what the router does, for one device alone, and ends with what it depends on."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.app import close, create_app, make_ready
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.reports.rows import offer

pytestmark = on_sqlite

BODIES = {
    "none": b"", "empty": b"{}", "no token": b'{"token": false}', "broken": b'{"token": ',
    "unknown": b'{"tokens": true}', "no object": b"[]", "null": b"null", "no type": b'{"token": 7}',
    "referrer": b'{"referrer": "https://news.example/a"}', "not UTF-8": b'{"referrer": "\xff"}',
    "campaign": b'{"campaign": {"source": "letter"}}', "surrogate": b'{"referrer": "\\ud800"}',
    "many members": b"{" + b'"token":true,' * 1_100 + b'"token":true}',
    "long": b'{"referrer": "' + b"x" * 20_000 + b'"}', "twice": b'{"token": true, "token": false}',
}  # fmt: skip
HEADERS = {
    "plain": {}, "no type": {"Content-Type": ""}, "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "charset": {"Content-Type": "application/json; charset=utf-8"}, "prefetch": {"Sec-Purpose": "prefetch"},
    "wrong bearer": {"Authorization": "Bearer x"}, "other scheme": {"Authorization": "Basic eDp5"},
    "origin": {"Origin": "https://elsewhere.example"}, "wrong device": {"Paywall-Device": "v1.x.y"},
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
async def test_unlocking_beside_the_router_is_what_the_router_does(
    body: str, paywall: Paywall
) -> None:
    for headers in HEADERS if body in {"empty", "broken"} else ("plain", "charset"):
        sent = {"Content-Type": "application/json", **HEADERS[headers]}
        sent = {name: value for name, value in sent.items() if value}
        assert await answered_alike(paywall, BODIES[body], sent), headers


async def answered_alike(paywall: Paywall, body: bytes, sent: dict[str, str]) -> bool:
    """By the whole application and by its router alone, but for what is new for each device."""

    async def router_alone(scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(paywall.app, scope, receive, send)

    seen = []
    for app in (paywall.app, router_alone):
        transport = httpx2.ASGITransport(app=app)
        base = paywall.settings.public_url
        async with httpx2.AsyncClient(transport=transport, base_url=base) as stranger:
            answer = await stranger.post("/v1/articles/a/unlock", content=body, headers=sent)
        content = answer.json()
        content = {k: v for k, v in content.items() if not k.startswith(("token", "device"))}
        varying = {"content-length", "set-cookie", "x-request-id"}
        same = sorted((k, v) for k, v in answer.headers.items() if k not in varying)
        names = sorted(set(answer.headers))
        seen.append((answer.status_code, same, names, list(content), content))
    return seen[0] == seen[1]


@pytest.mark.parametrize("path", ["/v2/articles/a/unlock", "/v1/article5/a/unlock", "/a/unlock"])
async def test_no_other_address_unlocks(path: str, paywall: Paywall) -> None:
    await paywall.unlock("a")
    assert (await paywall.client.post(path)).status_code == 404


class Seen:
    """A device in front of one application, with the rows that its reads leave."""

    def __init__(self, paywall: Paywall, client: httpx2.AsyncClient) -> None:
        self.paywall = paywall
        self.client = client

    async def unlock(self, slug: str = "a", **body: object) -> httpx2.Response:
        return await self.client.post(f"/v1/articles/{slug}/unlock", json=body)

    async def same(self, slug: str = "a", **body: object) -> bool:
        """Whether two calls are answered alike, by the same bytes."""
        first, second = [await self.unlock(slug, **body) for _ in range(2)]
        for each in (first, second):
            del each.headers["x-request-id"]
        return (first.status_code, first.headers, first.content) == (
            second.status_code,
            second.headers,
            second.content,
        )


@pytest.fixture
async def device(paywall: Paywall) -> AsyncIterator[Seen]:
    async with paywall.new_client() as client:
        for slug in "abcde":
            await client.get(f"/v1/articles/{slug}")
        yield Seen(paywall, client)


async def test_an_answer_to_a_known_device_is_given_again_and_recorded_again(
    paywall: Paywall, device: Seen
) -> None:
    for slug in "abc":
        assert (await device.unlock(slug)).json()["consumed"]
    assert await device.same("a")
    assert await device.same("d")
    rows = [(row.article_id, row.granted, row.wall) for row in await paywall.ledger()]
    assert len(rows) == 7
    assert rows[3] == rows[4]
    assert rows[5] == rows[6]
    assert {row[1] for row in rows} == {True, False}
    assert len({row.id for row in await paywall.ledger()}) == 7


async def test_nobody_gets_what_another_device_got(paywall: Paywall, device: Seen) -> None:
    for slug in "abc":
        await device.unlock(slug)
    for _ in range(2):
        assert (await device.unlock("d")).status_code == 402
    async with paywall.new_client() as other:
        assert (await other.post("/v1/articles/d/unlock", json={})).status_code == 200
        assert (await other.post("/v1/articles/e/unlock", json={})).status_code == 200
    device.client.cookies.clear()
    assert (await device.unlock("d")).status_code == 200


async def test_what_a_wall_showed_ends_with_what_it_depends_on(
    paywall: Paywall, device: Seen
) -> None:
    for slug in "abc":
        await device.unlock(slug)
    assert [(await device.unlock("d")).status_code for _ in range(2)] == [402, 402]
    async with paywall.database.transaction() as session:
        session.add(offer(name="New"))
    paywall.clocks.travel(timedelta(seconds=2))
    sold = (await device.unlock("d")).json()["wall"]["offers"]
    assert [each["name"] for each in sold] == ["New"]
    await paywall.publish("d", access={"level": "free"})
    await device.client.get("/v1/articles/d")
    assert (await device.unlock("d")).status_code == 200
    assert (await device.unlock("e")).status_code == 402
    paywall.clocks.travel(timedelta(days=31))
    assert (await device.unlock("e")).json()["consumed"]


async def test_what_holds_for_all_new_devices_ends_with_what_it_depends_on(
    paywall: Paywall,
) -> None:
    """Those of whom nothing is known share one decision: it must not outlive level, window or copy."""

    async def new(slug: str) -> tuple[int, str, str | None]:
        async with paywall.new_client() as client:
            answer = (await client.post(f"/v1/articles/{slug}/unlock", json={})).json()
        ends = (answer["meter"] or {}).get("resets_at")
        return answer.get("status", 200), answer["reason"], ends

    schedule = {"free_hours": 1, "subscribers_after_days": 1}
    await paywall.publish("x", access={"level": "metered", "schedule": schedule})
    _, _, ends = await new("a")
    for hours, expected in (
        (0, (200, "free", None)),
        (1, (200, "meter", ends)),
        (22, (200, "meter", ends)),
        (1, (402, "subscribers_only", None)),
    ):
        paywall.clocks.travel(timedelta(hours=hours))
        assert [await new("x") for _ in range(2)] == 2 * [expected]
    assert ends is not None
    paywall.clocks.travel(datetime.fromisoformat(ends) - paywall.clocks.business())
    (_, reason, later), again = [await new("a") for _ in range(2)]
    assert later is not None
    assert (reason, later > ends) == ("meter", True)
    assert again == (200, "meter", later)
    await paywall.publish("a", access={"level": "subscribers"})
    assert [await new("a") for _ in range(2)] == 2 * [(402, "subscribers_only", None)]
    await paywall.client.delete("/v1/admin/articles/a", headers=paywall.staff)
    async with paywall.new_client() as client:
        assert (await client.post("/v1/articles/a/unlock", json={})).status_code == 404


async def test_signing_in_is_seen_at_once(paywall: Paywall) -> None:
    await paywall.publish("a", access={"level": "subscribers"})
    await paywall.client.get("/v1/articles/a")
    for _ in range(3):
        assert (await paywall.unlock("a")).status_code == 402
    await paywall.sign_in("everything")
    assert (await paywall.unlock("a")).status_code == 200
    await paywall.client.delete("/v1/session")
    assert (await paywall.unlock("a")).status_code == 402


async def test_other_sources_and_wishes_have_their_own_answer(
    paywall: Paywall, device: Seen
) -> None:
    await device.unlock("a")
    assert "token" not in (await device.unlock("a", token=False)).json()
    assert "token" in (await device.unlock("a")).json()
    for source in ("letter", "letter", "search"):
        await device.unlock("a", campaign={"campaign": source})
    named = [row.campaign for row in await paywall.ledger()]
    assert named == [None, None, None, "letter", "letter", "search"]


async def test_a_kept_answer_says_what_the_meter_says_now(paywall: Paywall, device: Seen) -> None:
    for slug, used in (("a", 1), ("a", 1), ("b", 2), ("a", 2), ("a", 2)):
        assert (await device.unlock(slug)).json()["meter"]["used"] == used


@pytest.mark.parametrize("closed", [False, True])
async def test_a_network_that_is_full_is_left_behind(
    closed: bool, paywall: Paywall, device: Seen
) -> None:
    """A device that is refused for its network alone reads on from another one at once."""
    limited = paywall.settings.model_copy(
        update={"cookieless_unlocks_per_day": 1, "trusted_proxies": ("127.0.0.0/8",)}
    )
    app = create_app(limited, gateway=None, clocks=paywall.clocks)
    await make_ready(app.running)
    transport = httpx2.ASGITransport(app=app)

    async def read(client: httpx2.AsyncClient, network: str) -> int:
        forwarded = {"X-Forwarded-For": f"{network}.1"}
        return (await client.post("/v1/articles/a/unlock", headers=forwarded)).status_code

    base = paywall.settings.public_url
    async with (
        httpx2.AsyncClient(transport=transport, base_url=base) as first,
        httpx2.AsyncClient(transport=transport, base_url=base) as second,
    ):
        await second.get("/v1/articles/a")
        assert await read(first, "203.0.113") == 200
        assert [await read(second, "203.0.113") for _ in range(3)] == [402] * 3
        assert await read(second, "203.0.113" if closed else "198.51.100") == (
            402 if closed else 200
        )
    await close(app.running)


async def test_what_is_kept_of_unlocking_is_bounded(paywall: Paywall, device: Seen) -> None:
    await device.unlock("a")
    kept = paywall.app._hot._unlock._repeats
    for number in range(30):
        await device.unlock("a", campaign={"campaign": f"c{number}"})
    assert len(kept) == 30
    paywall.clocks.travel(timedelta(seconds=11))
    await device.unlock("b")
    await device.unlock("b")
    assert len(kept) == 1
    await paywall.publish("a", title="Another")
    assert (await device.unlock("a")).json()["article"]["title"] == "Another"
