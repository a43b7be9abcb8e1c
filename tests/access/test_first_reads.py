"""First reads are worked out once for all devices: each is answered and recorded as if it had been decided by itself."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.types import Receive, Scope, Send

from service.access.answers import Answered, UnlockAnswers
from service.access.hot_unlock import HotUnlock
from service.access.openings import Openings
from service.access.read import ReadRequest
from service.access.schemas import UnlockIn
from service.app import Service, close, create_app, make_ready
from service.db.tables import AccessEntry, Touches
from service.grants.trust import TRUSTED
from service.identity.cookies import cookie_name
from service.identity.devices import HEADER, device_key, new_device_id
from service.offers.on_sale import OnSale
from service.rules.in_force import RuleBook
from service.running import Running
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.reports.rows import offer

BODIES: dict[str, dict[str, Any]] = {
    "plain": {}, "no token": {"token": False}, "referrer": {"referrer": "https://www.google.com/"},
    "campaign": {"campaign": {"source": "letter", "campaign": "spring"}},
}  # fmt: skip
HEADERS = {
    "none": {}, "origin": {"Origin": "http://127.0.0.1:8000"}, "referrer": {"Referer": "https://t.co/x"},
    "request id": {"X-Request-Id": "of-the-proxy"}, "no device": {HEADER: "v1.x.y"},
    "other cookies": {"Cookie": "a=b; pw_devices=c"},
}  # fmt: skip
_NEW = {"content-length", "set-cookie", "x-request-id"}
"""Headers of which only the name has to be there."""


class Decided(UnlockAnswers):
    """How often something was decided for one device alone."""

    def __init__(self, own: UnlockAnswers) -> None:
        self.__dict__.update(own.__dict__)
        self.times = 0

    async def answer(self, read: ReadRequest, wanted: UnlockIn, referrer: str | None) -> Answered:
        self.times += 1
        return await super().answer(read, wanted, referrer)


def decided(app: Service) -> Decided:
    """Count from now on what is decided in front of the router of this application."""
    running = app.running
    counting = Decided(running.get(UnlockAnswers))
    others = (each for each in running.parts if not isinstance(each, UnlockAnswers))
    app._hot._unlock = HotUnlock(Running(*others, counting))
    return counting


@pytest.fixture
async def elsewhere(paywall: Paywall) -> AsyncIterator[httpx2.AsyncClient]:
    """Another process on the same database."""
    app = create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    await make_ready(app.running)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url=paywall.settings.public_url
    ) as client:
        yield client
    await close(app.running)


def device(paywall: Paywall, kind: str) -> dict[str, str]:
    """What a new device of this kind sends."""
    signed = device_key(paywall.settings).sign(new_device_id(paywall.clocks.wall()))
    name = cookie_name("device", paywall.settings)
    return {"known by nothing": {}, "by header": {HEADER: signed}, "by cookie": {"Cookie": f"{name}={signed}"}}[kind]  # fmt: skip


async def read_twice(
    paywall: Paywall, kind: str, slug: str, body: str = "plain", headers: str = "none"
) -> dict[str, Any]:
    """What two devices of this kind get, one in front of the router and one of the router alone, which is the same."""

    async def router_alone(scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(paywall.app, scope, receive, send)

    await paywall.client.get(f"/v1/articles/{slug}")  # it is in memory from now on
    await paywall.app.running.get(OnSale).assortment()
    counting, seen = decided(paywall.app), []
    for app in (paywall.app, router_alone):
        transport = httpx2.ASGITransport(app=app)
        sent = HEADERS[headers] | device(paywall, kind)
        async with httpx2.AsyncClient(
            transport=transport, base_url=paywall.settings.public_url
        ) as stranger:
            answer = await stranger.post(
                f"/v1/articles/{slug}/unlock", json=BODIES[body], headers=sent
            )
        content: dict[str, Any] = answer.json()
        lengths = {each: len(content.pop(each, "")) for each in ("token", "device_token")}
        content.pop("token_expires_at", None)
        kept = [(k, v) for k, v in answer.headers.items() if k not in _NEW]
        seen.append((answer.status_code, [*answer.headers], kept, [*content], content, lengths))
    assert seen[0] == seen[1]
    assert counting.times == 0
    one, other = [_columns(row) for row in await paywall.ledger()]
    assert one == other
    async with paywall.database.reading() as session:
        touches = [_columns(row) for row in await session.scalars(select(Touches))]
    assert touches[0] == touches[1]
    return seen[0][4]


KINDS = ["known by nothing", "by header", "by cookie"]


@on_sqlite
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("body", "headers"),
    [*((body, "none") for body in BODIES), *(("plain", headers) for headers in HEADERS)],
)
async def test_a_first_read_is_what_the_router_makes_of_it(
    kind: str, body: str, headers: str, paywall: Paywall
) -> None:
    assert (await read_twice(paywall, kind, "a", body, headers))["consumed"]


@on_sqlite
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["subscribers", "registered"])
async def test_so_is_a_first_wall(kind: str, level: str, paywall: Paywall) -> None:
    await paywall.publish("w", access={"level": level})
    assert not (await read_twice(paywall, kind, "w", "campaign"))["granted"]


@on_sqlite
async def test_a_first_wall_ends_with_its_words(paywall: Paywall) -> None:
    """A prompt begins and ends, and what is sold changes, while the article's copy stays."""
    begins = paywall.clocks.business() + timedelta(hours=1)
    now = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    now["prompts"] = [
        {
            "name": "Spring", "title": "Spring offer", "text": "Read on.",
            "starts_at": begins.isoformat(), "ends_at": (begins + timedelta(hours=1)).isoformat(),
        }
    ]  # fmt: skip
    saved = await paywall.client.put("/v1/admin/rules", json=now, headers=paywall.staff)
    assert saved.status_code == 200, saved.text
    await paywall.app.running.get(RuleBook).refresh(paywall.database)
    await paywall.publish("w", access={"level": "subscribers"})
    await paywall.client.get("/v1/articles/w")
    counting, titles = decided(paywall.app), []
    for _ in range(3):
        await paywall.app.running.get(OnSale).assortment()
        answer = await paywall.client.post("/v1/articles/w/unlock", json={})
        titles.append(answer.json()["wall"]["title"])
        paywall.client.cookies.clear()
        paywall.clocks.travel(timedelta(hours=1))
    assert titles[1] == "Spring offer"
    assert titles[0] == titles[2] != titles[1]
    assert counting.times == 0
    async with paywall.database.transaction() as session:
        session.add(offer(name="New"))
    paywall.clocks.travel(timedelta(seconds=3))
    await paywall.app.running.get(OnSale).assortment()
    answer = await paywall.client.post("/v1/articles/w/unlock", json={})
    assert [each["name"] for each in answer.json()["wall"]["offers"]] == ["New"]


async def test_a_first_read_waits_until_it_is_certain_what_is_open(paywall: Paywall) -> None:
    await paywall.client.get("/v1/articles/a")
    counting = decided(paywall.app)
    paywall.clocks.travel(TRUSTED)
    assert not paywall.app.running.get(Openings).are_certain()
    assert (await paywall.unlock("a")).json()["consumed"]
    assert paywall.app.running.get(Openings).are_certain()
    assert counting.times == 0


def _columns(row: AccessEntry | Touches) -> dict[str, object]:
    """Without what names the device or the instant."""
    own = {"holder", "id", "at", "device_id", "first_at", "last_at", "once_key"}
    names = set(row.__table__.columns.keys()) - own
    return {name: getattr(row, name) for name in names}


async def test_what_another_process_counted_decides(
    paywall: Paywall, elsewhere: httpx2.AsyncClient
) -> None:
    """Here nothing is known of the device: the batch sees that it has a past."""
    sent = device(paywall, "by header")
    await paywall.client.get("/v1/articles/a")

    async def here(slug: str) -> tuple[int, bool, int]:
        await paywall.client.get(f"/v1/articles/{slug}")
        paywall.app._hot._unlock = HotUnlock(paywall.app.running)
        answer = await paywall.client.post(f"/v1/articles/{slug}/unlock", json={}, headers=sent)
        paywall.client.cookies.clear()
        found = answer.json()
        return answer.status_code, found.get("consumed", False), found["meter"]["used"]

    async def there(slug: str) -> None:
        answer = await elsewhere.post(f"/v1/articles/{slug}/unlock", json={}, headers=sent)
        assert answer.json()["consumed"]

    await there("a")
    assert await here("a") == (200, False, 1)
    await there("b")
    paywall.clocks.travel(timedelta(seconds=61))  # what was seen is forgotten
    assert await here("c") == (200, True, 3)
    sent = device(paywall, "by header")
    for slug in "abc":
        await there(slug)
    assert await here("d") == (402, False, 3)
    assert await here("a") == (200, False, 3)
    counted = [row for row in await paywall.ledger() if row.consumed]
    assert len(counted) == 6
