"""An answer that is given again never closes what was opened meanwhile, and never outlives what opened it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import get_args

import httpx2
import pytest

from service.app import close, create_app, make_ready
from service.grants.grants import Source
from service.grants.store import put_grant
from service.grants.trust import TRUSTED
from tests.databases import on_sqlite
from tests.inside import Paywall

pytestmark = on_sqlite
SECOND = timedelta(seconds=1)
OF_READERS = sorted(set(get_args(Source)) - {"crawler"})


@pytest.fixture(autouse=True)
async def paid(paywall: Paywall) -> None:
    await paywall.publish("paid", access={"level": "subscribers"})
    await paywall.client.get("/v1/articles/paid")  # it is in memory from now on


@pytest.fixture
async def friend(paywall: Paywall) -> AsyncIterator[httpx2.AsyncClient]:
    async with paywall.new_client() as made:
        yield made


async def given(paywall: Paywall) -> str:
    """A gift link's token."""
    await paywall.sign_in("everything")
    made = (await paywall.client.post("/v1/articles/paid/gift-links")).json()
    return httpx2.URL(made["url"]).params["gift"]


async def unlock(browser: httpx2.AsyncClient, **body: object) -> tuple[int, str]:
    answer = await browser.post("/v1/articles/paid/unlock", json=body)
    return answer.status_code, answer.json()["reason"]


async def is_walled(browser: httpx2.AsyncClient) -> bool:
    """Whether it meets the wall until the wall itself is remembered."""
    return [await unlock(browser) for _ in range(3)] == [(402, "subscribers_only")] * 3


async def test_who_has_opened_a_gift_link_meets_no_remembered_wall(
    paywall: Paywall, friend: httpx2.AsyncClient
) -> None:
    token = await given(paywall)
    assert await is_walled(friend)
    assert await unlock(friend, gift=token) == (200, "gift")
    assert await unlock(friend) == (200, "gift")


async def test_nor_in_another_process(paywall: Paywall, friend: httpx2.AsyncClient) -> None:
    token = await given(paywall)
    other = create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    await make_ready(other.running)
    transport = httpx2.ASGITransport(app=other)
    async with httpx2.AsyncClient(
        transport=transport, base_url=paywall.settings.public_url
    ) as same:
        await same.get("/v1/articles/paid")
        await unlock(friend)
        same.cookies = friend.cookies
        assert await is_walled(same)
        assert await unlock(friend, gift=token) == (200, "gift")
        paywall.clocks.travel(TRUSTED)
        assert await unlock(same) == (200, "gift")
    await close(other.running)


async def test_a_gift_ends_on_time_whatever_is_remembered(
    paywall: Paywall, friend: httpx2.AsyncClient
) -> None:
    token = await given(paywall)
    paywall.clocks.travel(timedelta(days=paywall.settings.gift_link_days) - 5 * SECOND)
    assert await unlock(friend, gift=token, token=False) == (200, "gift")
    for wanted in ({}, {"token": False}):
        assert [await unlock(friend, **wanted) for _ in range(3)] == [(200, "gift")] * 3
    paywall.clocks.travel(5 * SECOND)
    for wanted in ({}, {"token": False}):
        assert await unlock(friend, **wanted) == (402, "subscribers_only")


@pytest.mark.parametrize("source", OF_READERS)
async def test_what_a_reader_is_given_elsewhere_opens_at_once(
    paywall: Paywall, source: Source
) -> None:
    """Another process stores it: by a webhook, a redeemed gift, a seat, a claim, or a payment on a phone."""
    reader_id = await paywall.sign_in()
    assert await is_walled(paywall.client)
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source=source, reference="r", reader_id=reader_id, scope="everything",
            starts_at=now, ends_at=None, now=now,
        )  # fmt: skip
    assert await unlock(paywall.client) == (200, source)
