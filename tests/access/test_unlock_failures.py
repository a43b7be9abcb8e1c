"""Whatever fails on the way to an unlock's answer is answered as the router would, and logged once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import httpx2
import pytest
from sqlalchemy import Connection
from starlette.types import Scope
from structlog.testing import capture_logs

from service.access.answers import Answered, UnlockAnswers
from service.access.hot_unlock import HotUnlock
from service.access.read import Opened, ReadRequest
from service.access.schemas import UnlockIn
from service.content.article import StoredArticle
from service.db.failures import database_unavailable
from service.db.session import Database
from service.encoded import replied
from service.identity.devices import HEADER, DeviceKey, device_key, new_device_id
from service.metering.ledger import Ledger
from service.metering.meter import MOST_OF_ONE, Metering
from service.running import Running
from tests.access.test_first_reads import elsewhere
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall
from tests.patience import PATIENCE

__all__ = ["elsewhere"]
pytestmark = on_sqlite

_T = TypeVar("_T")
Sent = dict[str, str]
Ask = Callable[[Paywall, str, Sent], Awaitable[tuple[int, dict[str, str], bytes]]]


class Broken(UnlockAnswers):
    """Answers of which one part can't be made."""

    def __init__(self, own: UnlockAnswers, part: str) -> None:
        self.__dict__.update(own.__dict__)
        self._broken = part

    def _try(self, part: str) -> None:
        if part == self._broken:
            raise RuntimeError(f"no {part}")

    async def answer(self, read: ReadRequest, wanted: UnlockIn, referrer: str | None) -> Answered:
        self._try("decision")
        return await super().answer(read, wanted, referrer)

    def text(self, article: StoredArticle, opened: Opened) -> tuple[bytes, ...]:
        self._try("text")
        return super().text(article, opened)

    def token(self, article: StoredArticle, opened: Opened, session_id: str | None) -> Any:
        self._try("token")
        return super().token(article, opened, session_id)

    def in_order(
        self, text: tuple[bytes, ...], token: bytes, device_id: str | None
    ) -> tuple[bytes, ...]:
        self._try("end")
        return super().in_order(text, token, device_id)


class Unsigned(DeviceKey):
    """It can't make the cookie of a new device."""

    def sign(self, device_id: str) -> str:  # noqa: ARG002
        raise RuntimeError("no cookie")


class Away(Database):
    """It can't be asked to count."""

    def __init__(self, own: Database) -> None:
        self.__dict__.update(own.__dict__)

    async def by_statement(self, work: Callable[[Connection], _T]) -> _T:  # noqa: ARG002
        raise database_unavailable()


def hot_with(paywall: Paywall, kind: type, part: object) -> None:
    """Unlock in front of the router with this part in place of the application's own of this kind."""
    others = (each for each in paywall.app.running.parts if not isinstance(each, kind))
    paywall.app._hot._unlock = HotUnlock(Running(*others, part))


def broken(paywall: Paywall, part: str) -> None:
    running = paywall.app.running
    if part == "cookie":
        hot_with(paywall, DeviceKey, Unsigned(running.get(DeviceKey).secret))
    else:
        hot_with(paywall, UnlockAnswers, Broken(running.get(UnlockAnswers), part))


async def by_asgi(paywall: Paywall, slug: str, sent: Sent) -> tuple[int, dict[str, str], bytes]:
    async with paywall.new_client() as client:
        answer = await client.post(f"/v1/articles/{slug}/unlock", headers=sent)
    return answer.status_code, dict(answer.headers), answer.content


async def before_asgi(paywall: Paywall, slug: str, sent: Sent) -> tuple[int, dict[str, str], bytes]:
    named = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope: Scope = {
        "type": "http", "method": "POST", "path": f"/v1/articles/{slug}/unlock",
        "headers": [*named, (b"content-length", b"0")],
    }  # fmt: skip
    answer = await replied(partial(paywall.app.whole, scope, b""))
    assert answer is not None
    headers = {k.decode(): v.decode() for head in answer.heads for k, v in head.named}
    return answer.status, headers, answer.body


both_ways = pytest.mark.parametrize("ask", [by_asgi, before_asgi])


async def failed(paywall: Paywall, ask: Ask, slug: str, sent: Sent) -> None:
    """Ask, and see that it fails as it should."""
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE):
            status, headers, body = await ask(paywall, slug, sent)
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert b"/problems/internal-error" in body
    assert CANARY.encode() not in body
    errors = [each for each in logs if each["log_level"] == "error"]
    assert [(each["event"], each["request_id"]) for each in errors] == [
        ("request.failed", headers["x-request-id"])
    ]


def known(paywall: Paywall) -> Sent:
    return {HEADER: device_key(paywall.settings).sign(new_device_id(paywall.clocks.wall()))}


@both_ways
@pytest.mark.parametrize("part", ["text", "token", "end", "cookie"])
async def test_a_counted_read_whose_answer_fails_is_answered(
    part: str, ask: Ask, paywall: Paywall
) -> None:
    await paywall.client.get("/v1/articles/a")
    broken(paywall, part)
    await failed(paywall, ask, "a", {})
    assert [row.consumed for row in await paywall.ledger()] == [True]


@both_ways
@pytest.mark.parametrize("part", ["end", "cookie"])
async def test_so_is_a_wall(part: str, ask: Ask, paywall: Paywall) -> None:
    await paywall.publish("w", access={"level": "subscribers"})
    await paywall.client.get("/v1/articles/w")
    broken(paywall, part)
    await failed(paywall, ask, "w", {})


@both_ways
@pytest.mark.parametrize("part", ["decision", "text", "token", "end"])
async def test_so_is_what_is_decided_anew_or_by_itself(
    part: str, ask: Ask, paywall: Paywall, elsewhere: httpx2.AsyncClient
) -> None:
    """The first time the batch finds the device's past, the second time it is known."""
    sent = known(paywall)
    await elsewhere.post("/v1/articles/a/unlock", headers=sent)
    await paywall.client.get("/v1/articles/a")
    broken(paywall, part)
    for _ in range(2):
        await failed(paywall, ask, "a", sent)


@both_ways
async def test_a_first_read_that_the_database_cannot_count_is_refused(
    ask: Ask, paywall: Paywall
) -> None:
    await paywall.client.get("/v1/articles/a")
    running = paywall.app.running
    away = Away(paywall.database)
    hot_with(paywall, Metering, Metering(away, paywall.clocks, running.get(Ledger)))
    status, headers, _ = await ask(paywall, "a", {})
    assert (status, "retry-after" in headers) == (503, True)


@both_ways
async def test_too_many_first_reads_of_one_device_are_refused(ask: Ask, paywall: Paywall) -> None:
    await paywall.client.get("/v1/articles/a")
    sent = known(paywall)
    asked: Sequence[tuple[int, dict[str, str], bytes]] = await asyncio.gather(
        *(ask(paywall, "a", sent) for _ in range(MOST_OF_ONE + 20))
    )
    statuses = Counter(status for status, _, _ in asked)
    assert set(statuses) == {200, 429}
    assert all(headers["retry-after"] for status, headers, _ in asked if status == 429)
    assert [row.consumed for row in await paywall.ledger()].count(True) == 1
