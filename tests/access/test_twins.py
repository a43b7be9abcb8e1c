"""Twin devices, one in front of the router and one by the router alone: whatever they do, they get the same."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.identity.cookies import cookie_name
from service.identity.devices import HEADER, device_key, new_device_id
from service.metering.meter import Metering
from tests.access.test_meters import put
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.server_bytes import ByBytes

pytestmark = on_sqlite

BODIES = [
    b"", b"{}", b'{"token": false}', b'{"referrer": "https://www.google.com/"}', b'{"token":', b'{"gift": "x"}',
    b'{"campaign": {"source": "briefing", "medium": "email"}}', b'{"seen": {"k": 1}, "token": null}',
]  # fmt: skip
HEADERS = [
    {}, {}, {"Referer": "https://t.co/x"}, {"Referer": "http://127.0.0.1:8000/y"}, {"Referer": "x" * 1200},
    {"Origin": "https://elsewhere.example"}, {"X-Request-Id": "abc"}, {"Sec-Purpose": "prefetch"},
]  # fmt: skip
SLUGS = ["a", "b", "c", "d", "soon", "paid"]
PAUSES = [timedelta(seconds=5), timedelta(minutes=20), timedelta(hours=13), timedelta(days=6)]
_NEW = {"content-length", "date", "set-cookie", "x-request-id"}
_STEPS = 120


class Twins:
    """Pairs of devices, and what they send."""

    def __init__(self, paywall: Paywall, random: Random) -> None:
        self._paywall, self._random = paywall, random
        self._pairs: list[list[str]] = []

        async def router_alone(scope: Scope, receive: Receive, send: Send) -> None:
            await FastAPI.__call__(paywall.app, scope, receive, send)

        self._transports = ByBytes(paywall.app), httpx2.ASGITransport(app=router_alone)

    async def read(self) -> None:
        """One of the pairs, or a new one, reads an article, perhaps again and again: both are answered alike."""
        one_of = self._random.choice
        slug, body, headers = one_of(SLUGS), one_of(BODIES), one_of(HEADERS)
        if self._random.random() < 0.7:
            await self._paywall.client.get(f"/v1/articles/{slug}")
        how = one_of(["new", "header", "cookie", "wrong cookie"])
        pair, base = self._pair(is_new=how == "new"), self._paywall.settings.public_url
        for _ in range(one_of([1, 1, 4])):
            answers = []
            for transport, device in zip(self._transports, pair, strict=True):
                sent = {"Content-Type": "application/json", **headers, **self._named(how, device)}
                client = httpx2.AsyncClient(transport=transport, base_url=base)
                answer = await client.post(
                    f"/v1/articles/{slug}/unlock", content=body, headers=sent
                )
                answers.append(_seen(answer))
            assert answers[0] == answers[1], (slug, body, headers, how)

    def _pair(self, *, is_new: bool) -> list[str]:
        if not is_new and self._pairs and self._random.random() < 0.7:
            return self._random.choice(self._pairs[-3:])
        key, now = device_key(self._paywall.settings), self._paywall.clocks.wall()
        self._pairs.append([key.sign(new_device_id(now)) for _ in self._transports])
        return self._pairs[-1]

    def _named(self, how: str, device: str) -> dict[str, str]:
        name = cookie_name("device", self._paywall.settings)
        return {
            "new": {}, "header": {HEADER: device}, "cookie": {"Cookie": f"{name}={device}"},
            "wrong cookie": {"Cookie": f"{name}=v1.z", HEADER: device},
        }[how]  # fmt: skip


def _seen(answer: httpx2.Response) -> tuple[Any, ...]:
    content = answer.json()
    lengths = [len(content.pop(each, None) or "") for each in ("token", "device_token")]
    content.pop("token_expires_at", None)
    headers = [(name, value) for name, value in answer.headers.items() if name not in _NEW]
    return answer.status_code, sorted(headers), sorted(answer.headers), [*content], content, lengths


async def _change(paywall: Paywall, random: Random) -> None:
    """Time passes, the process forgets devices as another one would, or an editor changes an article or the meter."""
    what = random.random()
    if what < 0.4:
        paywall.app.running.get(Metering)._windows.clear()
    elif what < 0.7:
        paywall.clocks.travel(random.choice(PAUSES))
    elif what < 0.85:
        level = random.choice(["metered", "registered", "subscribers", "free"])
        await paywall.publish(random.choice("abcd"), access={"level": level})
    else:
        window = random.choice(["month", "day", "week"])
        await put(
            paywall, meter={"window": window, "anonymous": random.randint(0, 3), "registered": 5}
        )


@pytest.mark.parametrize("seed", range(3))
async def test_twins_are_answered_and_recorded_alike(seed: int, paywall: Paywall) -> None:
    random = Random(seed)  # noqa: S311 no secret
    twins = Twins(paywall, random)
    at = paywall.clocks.business() + timedelta(hours=7)
    await paywall.publish("soon", status="scheduled", published_at=at.isoformat())
    await paywall.publish("paid", access={"level": "subscribers"})
    for _ in range(_STEPS):
        if random.random() < 0.25:
            await _change(paywall, random)
        await twins.read()
        paywall.clocks.travel(timedelta(milliseconds=1))
    own = {"holder", "id", "device_id", "once_key"}
    rows = await paywall.ledger()
    names = sorted({*rows[0].__table__.columns.keys()} - own)
    alike = Counter(tuple(str(getattr(row, name)) for name in names) for row in rows)
    assert [row for row, times in alike.items() if times % 2] == []
