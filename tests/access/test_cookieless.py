"""The cap on readers without cookies: a network's devices of one day, counted exactly."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from service.access import cookieless, gifts
from service.access.reasons import REASONS
from service.db.context import Context
from service.db.session import Database
from service.db.tables import GiftLink, RateLimit
from service.grants.gift_terms import NETWORK_CLOSED
from service.identity.devices import HEADER
from service.limits.rate import Limit, take, used
from service.settings import Settings
from service.upkeep import pruning_tasks
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside

PEER = "127.0.0.1"
HOME, NEIGHBOUR, ELSEWHERE = "203.0.113.7", "203.0.113.99", "203.0.114.7"
Capped = Callable[[int], AbstractAsyncContextManager[Paywall]]


@pytest.fixture
def capped(database: Database, settings: Settings, clocks: MovingClocks) -> Capped:
    """The application behind a proxy that tells addresses, with articles and a cap."""

    @asynccontextmanager
    async def opened(most: int) -> AsyncIterator[Paywall]:
        changed = settings.model_copy(
            update={"cookieless_unlocks_per_day": most, "trusted_proxies": (PEER,)}
        )
        async with inside(database, changed, clocks) as paywall:
            for slug in "abcde":
                await paywall.publish(slug)
            await paywall.publish("free", access={"level": "free"})
            await paywall.publish("paid", access={"level": "subscribers"})
            paywall.client.cookies.clear()
            yield paywall

    return opened


async def unlocked(
    paywall: Paywall, address: str | None, slug: str = "a", **headers: str
) -> httpx2.Response:
    """An unlock by somebody without cookies."""
    if address is not None:
        headers["X-Forwarded-For"] = address
    async with paywall.new_client() as stranger:
        return await stranger.post(f"/v1/articles/{slug}/unlock", headers=headers)


async def outcome(paywall: Paywall, address: str | None, slug: str = "a", **headers: str) -> str:
    reason: str = (await unlocked(paywall, address, slug, **headers)).json()["reason"]
    return reason


async def test_a_network_without_cookies_reads_up_to_the_cap(
    capped: Capped, clocks: MovingClocks
) -> None:
    async with capped(2) as paywall:
        assert [await outcome(paywall, a) for a in (HOME, NEIGHBOUR)] == ["meter"] * 2
        walled = await unlocked(paywall, HOME)
        assert (walled.status_code, walled.json()["type"]) == (402, "/problems/walled")
        assert walled.json()["reason"] == walled.json()["wall"]["reason"] == "network_exhausted"
        assert walled.json()["wall"]["note"] == walled.json()["reason_text"]
        assert walled.json()["wall"]["note"] == REASONS["network_exhausted"].readers
        assert walled.json()["meter"]["used"] == 0
        assert CANARY not in walled.text
        headers = {"X-Forwarded-For": HOME}
        async with paywall.new_client() as stranger:
            seen = (await stranger.get("/v1/articles/a/access", headers=headers)).json()
        assert (seen["granted"], seen["reason"], seen["would_consume"]) == (
            False, "network_exhausted", False,
        )  # fmt: skip
        assert await outcome(paywall, ELSEWHERE) == "meter"
        assert await outcome(paywall, HOME, "free") == "free"
        assert await outcome(paywall, HOME, "paid") == "subscribers_only"
        clocks.travel(timedelta(hours=15))  # past midnight, UTC
        assert await outcome(paywall, HOME) == "meter"


@on_sqlite
async def test_a_device_that_has_read_before_or_is_signed_in_reads_on(capped: Capped) -> None:
    async with capped(1) as paywall:
        token = (await unlocked(paywall, HOME)).json()["device_token"]
        assert await outcome(paywall, HOME, "b") == "network_exhausted"
        for slug, expected in (
            ("a", "meter"),
            ("b", "meter"),
            ("c", "meter"),
            ("d", "meter_exhausted"),
        ):
            assert await outcome(paywall, HOME, slug, **{HEADER: token}) == expected
        await paywall.sign_in("everything")
        answer = await paywall.unlock("e", **{"X-Forwarded-For": HOME})
        assert answer.json()["reason"] == "subscription"


@on_sqlite
@pytest.mark.parametrize("slug", ["a", "free", "paid"])
async def test_a_device_that_has_read_nothing_is_no_way_around(capped: Capped, slug: str) -> None:
    async with capped(1) as paywall:
        assert await outcome(paywall, HOME) == "meter"
        token = (await unlocked(paywall, HOME, slug)).json()["device_token"]
        assert await outcome(paywall, HOME, "b", **{HEADER: token}) == "network_exhausted"
        assert await outcome(paywall, ELSEWHERE, "b", **{HEADER: token}) == "meter"
        assert await outcome(paywall, HOME, "c", **{HEADER: token}) == "meter"


async def gift_link(paywall: Paywall) -> str:
    """A link of the article `paid`, by its token."""
    await paywall.sign_in("everything")
    made = (await paywall.client.post("/v1/articles/paid/gift-links")).json()
    paywall.client.cookies.clear()
    return httpx2.URL(made["url"]).params["gift"]


async def test_a_network_without_cookies_opens_gift_links_up_to_the_cap(capped: Capped) -> None:
    async with capped(2) as paywall:
        link, other = await gift_link(paywall), {"X-Forwarded-For": ELSEWHERE}

        async def opened(address: str = HOME, **headers: str) -> httpx2.Response:
            headers["X-Forwarded-For"] = address
            async with paywall.new_client() as stranger:
                return await stranger.post(
                    "/v1/articles/paid/unlock", json={"gift": link}, headers=headers
                )

        first = (await opened()).json()
        assert first["reason"] == "gift"
        assert await outcome(paywall, NEIGHBOUR) == "meter", "both count against one limit"
        for _ in range(3):
            walled = (await opened()).json()
            assert walled["reason"] == "subscribers_only"
            assert walled["wall"]["note"].startswith(NETWORK_CLOSED)
        asked = f"/v1/articles/paid/access?gift={link}"
        async with paywall.new_client() as stranger:
            seen = (await stranger.get(asked, headers={"X-Forwarded-For": HOME})).json()
            assert seen["wall"]["note"].startswith(NETWORK_CLOSED)
            assert (await stranger.get(asked, headers=other)).json()["reason"] == "gift"
        assert (await opened(**{HEADER: first["device_token"]})).json()["reason"] == "gift"
        assert (await opened(ELSEWHERE)).json()["reason"] == "gift"
        async with paywall.database.reading() as session:
            assert await session.scalar(select(GiftLink.readers)) == 2


async def test_who_comes_too_late_for_a_link_takes_no_place_of_the_network(capped: Capped) -> None:
    async with capped(100) as paywall:
        link = await gift_link(paywall)
        async with paywall.database.transaction() as session:
            await session.execute(update(GiftLink).values(most_readers=2))

        async def opened(browser: httpx2.AsyncClient) -> str:
            answer = await browser.post(
                "/v1/articles/paid/unlock", json={"gift": link}, headers={"X-Forwarded-For": HOME}
            )
            return str(answer.json()["reason"])

        async with AsyncExitStack() as stack:
            friends = [await stack.enter_async_context(paywall.new_client()) for _ in range(6)]
            reasons = await asyncio.gather(*map(opened, friends))
        assert sorted(reasons) == ["gift"] * 2 + ["subscribers_only"] * 4
        async with paywall.database.reading() as session:
            assert await session.scalar(select(RateLimit.count)) == 2


async def test_a_device_that_comes_by_a_link_in_many_tabs_begins_once(capped: Capped) -> None:
    async with capped(1) as paywall:
        link = await gift_link(paywall)
        async with paywall.new_client() as friend:
            came = {"X-Forwarded-For": HOME}
            await friend.post("/v1/articles/free/unlock", headers=came)

            async def opened() -> str:
                answer = await friend.post(
                    "/v1/articles/paid/unlock", json={"gift": link}, headers=came
                )
                return str(answer.json()["reason"])

            assert set(await asyncio.gather(*(opened() for _ in range(6)))) == {"gift"}
        async with paywall.database.reading() as session:
            assert await session.scalar(select(RateLimit.count)) == 1


@pytest.mark.parametrize("most_readers", [1, 9])
@pytest.mark.parametrize("step", ["find_link", "used"])
async def test_what_another_tab_takes_amid_a_look_is_the_devices_own(
    capped: Capped, monkeypatch: pytest.MonkeyPatch, step: str, most_readers: int
) -> None:
    async with capped(1) as paywall, paywall.new_client() as friend:
        link = await gift_link(paywall)
        async with paywall.database.transaction() as session:
            await session.execute(update(GiftLink).values(most_readers=most_readers))
        came = {"X-Forwarded-For": HOME}
        await friend.post("/v1/articles/free/unlock", headers=came)
        where = cookieless if step == "used" else gifts
        usual = getattr(where, step)

        async def opened() -> str:
            answer = await friend.post(
                "/v1/articles/paid/unlock", json={"gift": link}, headers=came
            )
            return str(answer.json()["reason"])

        async def late(*given: Any) -> Any:
            monkeypatch.setattr(where, step, usual)
            assert await opened() == "gift"
            return await usual(*given)

        monkeypatch.setattr(where, step, late)
        assert await opened() == "gift"
        async with paywall.database.reading() as session:
            assert await session.scalar(select(RateLimit.count)) == 1
            assert await session.scalar(select(GiftLink.readers)) == 1


async def test_what_another_tab_reads_amid_a_look_at_the_meter_is_the_devices_own(
    capped: Capped, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with capped(1) as paywall, paywall.new_client() as reader:
        came = {"X-Forwarded-For": HOME}
        await reader.post("/v1/articles/free/unlock", headers=came)
        usual = used

        async def late(*given: Any) -> int:
            monkeypatch.setattr(cookieless, "used", usual)
            read = await reader.post("/v1/articles/a/unlock", headers=came)
            assert read.json()["reason"] == "meter"
            return await usual(*given)

        monkeypatch.setattr(cookieless, "used", late)
        seen = (await reader.get("/v1/articles/b/access", headers=came)).json()
        assert (seen["reason"], seen["would_consume"]) == ("meter", True)


async def test_of_many_at_once_exactly_as_many_open_a_link(capped: Capped) -> None:
    async with capped(3) as paywall:
        link = await gift_link(paywall)

        async def opened() -> str:
            async with paywall.new_client() as stranger:
                answer = await stranger.post(
                    "/v1/articles/paid/unlock",
                    json={"gift": link},
                    headers={"X-Forwarded-For": HOME},
                )
                return str(answer.json()["reason"])

        reasons = await asyncio.gather(*(opened() for _ in range(8)))
        assert sorted(reasons) == ["gift"] * 3 + ["subscribers_only"] * 5


@on_sqlite
async def test_a_browser_that_has_read_before_opens_links_from_a_closed_network(
    capped: Capped,
) -> None:
    async with capped(1) as paywall:
        link = await gift_link(paywall)
        read = (await unlocked(paywall, HOME)).json()["device_token"]
        headers = {"X-Forwarded-For": HOME, HEADER: read}
        async with paywall.new_client() as known:
            answer = await known.post(
                "/v1/articles/paid/unlock", json={"gift": link}, headers=headers
            )
        assert answer.json()["reason"] == "gift"


@on_sqlite
async def test_only_what_the_meter_opened_is_counted(capped: Capped) -> None:
    async with capped(1) as paywall:
        for slug in ("free", "paid", "nothing", "free"):
            await unlocked(paywall, HOME, slug)
        assert (await unlocked(paywall, HOME, "a", **{"Sec-Purpose": "prefetch"})).is_error
        assert await outcome(paywall, HOME) == "meter"


async def test_of_many_at_once_exactly_as_many_read(capped: Capped) -> None:
    async with capped(5) as paywall:
        reasons = await asyncio.gather(*(outcome(paywall, HOME) for _ in range(20)))
        assert sorted(reasons) == ["meter"] * 5 + ["network_exhausted"] * 15
        granted = [entry for entry in await paywall.ledger() if entry.granted]
        assert len(granted) == 5


@on_sqlite
async def test_nought_caps_nobody(capped: Capped, database: Database) -> None:
    async with capped(0) as paywall:
        assert {await outcome(paywall, HOME) for _ in range(5)} == {"meter"}
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(RateLimit)) == 0


@on_sqlite
async def test_a_listed_frontend_is_exempt_unless_it_tells_its_readers_addresses(
    capped: Capped,
) -> None:
    async with capped(1) as paywall:
        assert {await outcome(paywall, None) for _ in range(5)} == {"meter"}
        assert [await outcome(paywall, HOME) for _ in range(2)] == ["meter", "network_exhausted"]


@on_sqlite
async def test_nobody_else_is_believed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    unlisted = settings.model_copy(update={"cookieless_unlocks_per_day": 1})
    async with inside(database, unlisted, clocks) as paywall:
        await paywall.publish("a")
        assert [await outcome(paywall, a) for a in (HOME, ELSEWHERE)] == [
            "meter", "network_exhausted",
        ]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize(("mail_from", "kind"), [("", "subscribe"), ("a@example.org", "register")])
async def test_the_wall_is_that_of_registering_where_one_can(
    database: Database, settings: Settings, clocks: MovingClocks, mail_from: str, kind: str
) -> None:
    changed = settings.model_copy(update={"cookieless_unlocks_per_day": 1, "mail_from": mail_from})
    async with inside(database, changed, clocks) as paywall:
        await paywall.publish("a")
        await unlocked(paywall, None)
        assert (await unlocked(paywall, None)).json()["wall"]["kind"] == kind


@on_sqlite
async def test_what_is_kept_holds_no_address(capped: Capped, database: Database) -> None:
    async with capped(5) as paywall:
        await unlocked(paywall, HOME)
    async with database.reading() as session:
        (key,) = await session.scalars(select(RateLimit.key))
    name, _, network = key.partition("/")
    assert (name, len(network)) == ("cookieless", 64)
    assert int(network, 16)


@on_sqlite
async def test_the_newspapers_form_is_capped_alike(capped: Capped) -> None:
    async with capped(1) as paywall:
        answers = []
        for _ in range(2):
            async with paywall.new_client() as stranger:
                headers = {"X-Forwarded-For": HOME}
                answers.append(await stranger.post("/articles/a", headers=headers))
        assert [answer.status_code for answer in answers] == [200, 402]
        assert "Many browsers without cookies" in answers[1].text
        assert CANARY not in answers[1].text


async def test_counters_of_days_gone_by_are_deleted(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with database.transaction() as session:
        limit = Limit("old", 1, timedelta(hours=1), "")
        await take(session, limit, "x", clocks.wall() - timedelta(days=2))
    tasks = {each.name: each for each in pruning_tasks(Context(settings, clocks, database))}
    await tasks["old limits"].run()
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(RateLimit)) == 0


async def test_a_device_that_a_gift_link_opened_is_counted_once(capped: Capped) -> None:
    async with capped(2) as paywall:
        link = await gift_link(paywall)

        async def device(address: str) -> dict[str, str]:
            async with paywall.new_client() as stranger:
                answer = await stranger.post(
                    "/v1/articles/paid/unlock",
                    json={"gift": link},
                    headers={"X-Forwarded-For": address},
                )
            assert answer.json()["reason"] == "gift"
            return {HEADER: answer.json()["device_token"]}

        assert await outcome(paywall, HOME, **await device(HOME)) == "meter"
        assert await outcome(paywall, HOME) == "meter", "the second device, not the third"
        assert await outcome(paywall, HOME) == "network_exhausted"
        assert await outcome(paywall, HOME, **await device(ELSEWHERE)) == "meter"


@on_sqlite
async def test_an_editors_number_holds_at_once_in_place_of_the_settings(capped: Capped) -> None:
    async with capped(1) as paywall:

        async def set_to(per_day: int) -> None:
            rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()
            said = rules["rules"] | {"cookieless": {"per_day": per_day}}
            answer = await paywall.client.put("/v1/admin/rules", json=said, headers=paywall.staff)
            assert answer.status_code == 200, answer.text

        async def looks() -> str:
            async with paywall.new_client() as stranger:
                seen = await stranger.get(
                    "/v1/articles/b/access", headers={"X-Forwarded-For": HOME}
                )
            return str(seen.json()["reason"])

        await outcome(paywall, HOME)
        for per_day, expected in (
            (1, "network_exhausted"),
            (2, "meter"),
            (1, "network_exhausted"),
            (0, "meter"),
        ):
            await set_to(per_day)
            assert await looks() == expected, per_day
        assert [await outcome(paywall, HOME, slug) for slug in "abc"] == ["meter"] * 3
        await set_to(1)
        assert await outcome(paywall, HOME, "d") == "network_exhausted"
