"""What one process has opened, another one never walls: two applications on one database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from service.app import close, create_app, make_ready
from service.db.session import Database
from service.grants.trust import TRUSTED
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.statements import statements

INSTITUTION = "/v1/admin/institutions/city-library"
AGREED = {"name": "City Library", "plan": "digital", "networks": ["192.0.2.0/24"]}


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks) as made:
        await made.publish("paid", access={"level": "subscribers"})
        await made.publish("counted")
        yield made


@pytest.fixture
async def browser(paywall: Paywall) -> AsyncIterator[httpx2.AsyncClient]:
    """A reader in the library's network, who asks the other process, which remembers the wall."""
    other = create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    await make_ready(other.running)
    transport, headers = httpx2.ASGITransport(app=other), {"X-Forwarded-For": "192.0.2.7"}
    async with httpx2.AsyncClient(
        transport=transport, base_url=paywall.settings.public_url, headers=headers
    ) as made:
        for slug in ("paid", "counted"):
            await made.get(f"/v1/articles/{slug}")
        assert [await reason(made) for _ in range(4)] == ["subscribers_only"] * 4
        yield made
    await close(other.running)


async def reason(browser: httpx2.AsyncClient, slug: str = "paid") -> Any:
    return (await browser.post(f"/v1/articles/{slug}/unlock")).json()["reason"]


async def tried(browser: httpx2.AsyncClient, slug: str = "paid") -> Any:
    return (await browser.get(f"/v1/articles/{slug}/access")).json()["reason"]


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_a_network_that_is_agreed_elsewhere_opens_everywhere_once_it_is_answered(
    paywall: Paywall, browser: httpx2.AsyncClient
) -> None:
    began = seconds()
    answer = await paywall.client.put(INSTITUTION, json=AGREED, headers=paywall.staff)
    assert answer.status_code == 200
    assert seconds() - began > TRUSTED.total_seconds(), "by then no process trusts its memory"
    paywall.clocks.travel(TRUSTED)
    for slug in ("paid", "counted"):
        assert await tried(browser, slug) == "institution"
        assert await reason(browser, slug) == "institution", "nor does the meter count anything"


@pytest.mark.parametrize("dry_run", [True, False])
async def test_so_does_a_list_of_them(
    paywall: Paywall, browser: httpx2.AsyncClient, dry_run: bool
) -> None:
    csv = "slug,name,plan,networks\ncity-library,City Library,digital,192.0.2.0/24\n"
    began = seconds()
    answer = await paywall.client.post(
        "/v1/admin/institutions/import", json={"csv": csv, "dry_run": dry_run},
        headers=paywall.staff,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    paywall.clocks.travel(TRUSTED)
    assert await reason(browser) == ("subscribers_only" if dry_run else "institution")
    assert dry_run or seconds() - began > TRUSTED.total_seconds()


async def test_a_link_opened_elsewhere_is_answered_once_no_process_trusts_its_memory(
    paywall: Paywall, browser: httpx2.AsyncClient
) -> None:
    await paywall.sign_in("everything")
    made = (await paywall.client.post("/v1/articles/paid/gift-links")).json()
    gift = httpx2.URL(made["url"]).params["gift"]
    async with paywall.new_client() as friend:
        friend.cookies = browser.cookies
        began = seconds()
        answer = await friend.post("/v1/articles/paid/unlock", json={"gift": gift})
        assert answer.json()["reason"] == "gift"
        is_late = seconds() - began > TRUSTED.total_seconds()
    assert is_late or not paywall.database.is_shared, "on SQLite no other process serves"
    paywall.clocks.travel(TRUSTED)
    assert await tried(browser) == await reason(browser) == "gift"


@on_sqlite
async def test_a_memory_that_is_trusted_asks_nothing(
    paywall: Paywall, browser: httpx2.AsyncClient
) -> None:
    with statements() as seen:
        assert await reason(browser) == "subscribers_only"
    assert seen == []
    paywall.clocks.travel(TRUSTED * 0.6)
    with statements() as seen:
        assert await reason(browser) == "subscribers_only"
        await asyncio.sleep(0)
        assert await reason(browser) == "subscribers_only"
    assert len([each for each in seen if "gift" in each]) <= 1, "it is asked for in time, and once"


@on_sqlite
async def test_a_clock_that_is_set_back_trusts_no_memory_longer(
    paywall: Paywall, browser: httpx2.AsyncClient
) -> None:
    await paywall.client.put(INSTITUTION, json=AGREED, headers=paywall.staff)
    paywall.clocks.travel(TRUSTED)
    paywall.clocks.travel(-TRUSTED * 0.6)
    assert await reason(browser) == "institution"
