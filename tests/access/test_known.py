"""A request of the same bytes isn't read again, but decided again: it is answered as the router would now."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.types import Receive, Scope, Send

from service.access.openings import Openings
from service.access.revocations import Revocations
from service.content.cache import ArticleCache
from service.db.tables import ReaderSession
from service.encoded import Whole
from service.identity.devices import HEADER, device_key, new_device_id
from service.known_requests import KnownRequests
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from service.tokens.revoked import revoke_claim
from tests.access.test_meters import put
from tests.access.test_openings import AGREED, INSTITUTION
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.server_bytes import ByBytes

pytestmark = on_sqlite
SECOND = timedelta(seconds=1)
HERE = ("192.0.2.7", 123)
Ask = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]


class Counting(KnownRequests):
    """With the number of requests that weren't read."""

    number = 0

    def answer(self, request: bytes) -> Whole | None:
        answer = super().answer(request)
        self.number += answer is not None
        return answer


@pytest.fixture
def known(paywall: Paywall) -> Counting:
    found = paywall.app.known = Counting()
    return found


def unlock(slug: str, **headers: str) -> Ask:
    return lambda client: client.post(f"/v1/articles/{slug}/unlock", headers=headers)


def device(paywall: Paywall) -> dict[str, str]:
    made = new_device_id(paywall.clocks.wall())
    return {HEADER: device_key(paywall.settings).sign(made)}


async def teaser(_: Paywall) -> Ask:
    return lambda client: client.get("/v1/articles/a")


async def full(paywall: Paywall) -> Ask:
    token = (await paywall.unlock("a", **device(paywall))).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    return lambda client: client.get("/v1/articles/a/full", headers=headers)


async def reread(paywall: Paywall) -> Ask:
    return unlock("a", **device(paywall))


async def walled(paywall: Paywall) -> Ask:
    known = device(paywall)
    for slug in "bcde":
        await paywall.unlock(slug, **known)
    return unlock("a", **known)


async def subscriber(paywall: Paywall) -> Ask:
    await paywall.sign_in("everything")
    cookies = "; ".join(f"{name}={value}" for name, value in paywall.client.cookies.items())
    paywall.client.cookies.clear()
    return unlock("a", Cookie=cookies, **device(paywall))


async def nothing(_: Paywall) -> None:
    """Nothing has changed."""


async def published(paywall: Paywall) -> None:
    await paywall.publish("a", title="Another one")


async def published_elsewhere(paywall: Paywall) -> None:
    await published(paywall)
    await paywall.app.running.get(ArticleCache).refresh(paywall.database)


async def withdrawn(paywall: Paywall) -> None:
    await paywall.client.delete("/v1/admin/articles/a", headers=paywall.staff)


async def closed(paywall: Paywall) -> None:
    await paywall.publish("a", access={"level": "subscribers"})


async def metered_anew(paywall: Paywall) -> None:
    await put(paywall, meter={"window": "month", "anonymous": 9, "registered": 9})


async def crawlers_refused(paywall: Paywall) -> None:
    await put(paywall, crawlers={"search": "refuse", "agent": "refuse", "training": "refuse"})


async def revoked(paywall: Paywall) -> None:
    """Whatever was signed for anybody, and all sessions."""
    paywall.clocks.travel(2 * SECOND)
    holders = {name for row in await paywall.ledger() for name in (row.device_id, row.reader_id)}
    async with paywall.database.transaction() as session:
        for name in holders - {None}:
            await revoke_claim(session, "sub", str(name), now=paywall.clocks.wall())
        await session.execute(update(ReaderSession).values(ended_at=paywall.clocks.wall()))
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)


async def offered(paywall: Paywall) -> None:
    async with paywall.database.transaction() as session:
        await create_offer(
            session, name="Digital", plan="digital", now=paywall.clocks.wall(),
            price=checked_price(amount=900, currency="EUR", interval="month", trial_days=0),
        )  # fmt: skip
    paywall.clocks.travel(3 * SECOND)


def later(**span: float) -> Callable[[Paywall], Awaitable[None]]:
    async def pass_by(paywall: Paywall) -> None:
        paywall.clocks.travel(timedelta(**span))

    pass_by.__name__ = "_".join(f"{name}_{number}" for name, number in span.items())
    return pass_by


async def in_a_network(paywall: Paywall) -> None:
    """The one that all come from."""
    answer = await paywall.client.put(INSTITUTION, json=AGREED, headers=paywall.staff)
    assert answer.status_code in {200, 201}, answer.text
    await paywall.app.running.get(Openings).refresh()


CHANGES = (
    nothing, published, published_elsewhere, withdrawn, closed, metered_anew, crawlers_refused, revoked, offered,
    in_a_network, later(milliseconds=200), later(seconds=9), later(seconds=11), later(minutes=3), later(minutes=12),
    later(days=1), later(days=40),
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("read", [teaser, full, reread, walled, subscriber])
async def test_it_is_answered_as_the_router_would(
    read: Callable[[Paywall], Awaitable[Ask]],
    change: Callable[[Paywall], Awaitable[None]],
    paywall: Paywall,
    known: Counting,
) -> None:
    for slug in "abcde":
        await paywall.client.get(f"/v1/articles/{slug}")

    async def router(scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(paywall.app, scope, receive, send)

    ask, base = await read(paywall), paywall.settings.public_url
    async with (
        httpx2.AsyncClient(transport=ByBytes(paywall.app, HERE), base_url=base) as client,
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=router, client=HERE), base_url=base
        ) as alone,
    ):
        for _ in range(5):
            await ask(client)
        assert known.number >= 2
        await change(paywall)
        answers = [shown(await ask(each)) for each in (client, alone, client)]
    assert answers[0] == answers[1]
    assert answers[2] == answers[1]


def shown(answer: httpx2.Response) -> tuple[object, ...]:
    """All but whether it was counted just now."""
    dropped = {"date", "x-request-id", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in dropped}
    content = answer.json()
    content.pop("consumed", None)
    return answer.status_code, headers, content


@pytest.mark.parametrize("read", [reread, walled, subscriber])
async def test_each_time_is_recorded(
    read: Callable[[Paywall], Awaitable[Ask]], paywall: Paywall, known: Counting
) -> None:
    ask = await read(paywall)
    before = len(await paywall.ledger())
    for n in range(6):
        paywall.clocks.travel(timedelta(milliseconds=10))
        await ask(paywall.client)
        assert len(await paywall.ledger()) == before + n + 1
    assert known.number >= 2
