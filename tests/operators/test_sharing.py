"""Accounts that several people may share: what is counted, who is listed, and for how long it is kept."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import Reader, ReaderUse
from service.identity.reader_uses import MOST_NOTED, ReaderUses, prune_reader_uses
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        yield made


async def read_from(paywall: Paywall, *networks: int, fresh_device: bool = False) -> None:
    for each in networks:
        if fresh_device:
            for name in [name for name in paywall.client.cookies if "device" in name]:
                paywall.client.cookies.delete(name)
        answer = await paywall.client.post(
            "/v1/articles/premium/unlock", headers={"X-Forwarded-For": f"192.0.{each}.9"}
        )
        assert answer.json()["reason"] == "subscription"
    await paywall.app.running.get(ReaderUses).flush(paywall.database)


async def listed(paywall: Paywall, **asked: int) -> list[tuple[str, int, int]]:
    answer = await paywall.client.get("/v1/admin/sharing", params=asked, headers=paywall.staff)
    assert answer.status_code == 200, answer.text
    return [
        (each["reader_id"], each["networks"], each["devices"]) for each in answer.json()["items"]
    ]


async def test_networks_count_by_the_day_and_devices_over_all_days(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    at_home = await paywall.sign_in("everything")
    await read_from(paywall, 1, 1, 2)
    shared = await paywall.sign_in("everything")
    await read_from(paywall, *range(1, 5), fresh_device=True)
    clocks.travel(timedelta(days=1))
    await read_from(paywall, *range(1, 8), fresh_device=True)
    await read_from(paywall, 7)
    assert await listed(paywall) == [(shared, 7, 11)]
    assert await listed(paywall, networks=1000, devices=11) == [(shared, 7, 11)]
    assert await listed(paywall, networks=1000, devices=12) == []
    both = await listed(paywall, networks=2)
    assert [each[0] for each in both] == [shared, at_home]
    first = await paywall.client.get(
        "/v1/admin/sharing", params={"networks": 2, "limit": 1}, headers=paywall.staff
    )
    cursor = first.json()["next_cursor"]
    second = await paywall.client.get(
        "/v1/admin/sharing",
        params={"networks": 2, "limit": 1, "cursor": cursor},
        headers=paywall.staff,
    )
    assert [each["reader_id"] for each in second.json()["items"]] == [at_home]
    clocks.travel(timedelta(days=7))
    assert await listed(paywall) == []


@on_sqlite
async def test_articles_that_the_pages_open_at_once_count_too(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in("everything")
    for each in range(1, 8):
        headers = {"X-Forwarded-For": f"192.0.{each}.9"}
        page = await paywall.client.get("/articles/premium", headers=headers)
        assert CANARY in page.text
        guess = {**headers, "X-Forwarded-For": "192.0.99.9", "Sec-Purpose": "prefetch"}
        await paywall.client.get("/articles/premium", headers=guess)
    await paywall.app.running.get(ReaderUses).flush(paywall.database)
    assert [each[:2] for each in await listed(paywall)] == [(reader_id, 7)]


async def test_many_uses_are_written_and_more_than_can_be_kept_are_left_out(
    paywall: Paywall,
) -> None:
    uses, today = paywall.app.running.get(ReaderUses), paywall.clocks.business().date()
    reader_id = await paywall.sign_in("everything")
    for number in range(MOST_NOTED + 10):
        uses.note(reader_id, today, device=f"device-{number}", network=None)
    await uses.flush(paywall.database)
    uses.note(reader_id, today, device="device-0", network="the-next")
    await uses.flush(paywall.database)
    async with paywall.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ReaderUse)) == MOST_NOTED + 1


@on_sqlite
async def test_no_address_is_kept_and_nothing_is_after_a_month(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.sign_in("everything")
    await read_from(paywall, 1, 2)
    clocks.travel(timedelta(days=1))
    await read_from(paywall, 1)
    async with paywall.database.reading() as session:
        networks = select(ReaderUse.name).where(ReaderUse.kind == "network")
        names = list(await session.scalars(networks))
    assert len(set(names)) == len(names) == 3, "a network has another name each day"
    assert not any("192." in each for each in names)
    for days, left in ((31, 2), (32, 0)):
        await prune_reader_uses(paywall.database, clocks.business().date() + timedelta(days=days))
        async with paywall.database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(ReaderUse)) == left


@on_sqlite
async def test_who_was_erased_before_it_was_written_is_not_written(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in("everything")
    await paywall.client.post(
        "/v1/articles/premium/unlock", headers={"X-Forwarded-For": "192.0.2.9"}
    )
    async with paywall.database.transaction() as session:
        (await session.get_one(Reader, reader_id)).erased_at = paywall.clocks.business()
    await paywall.app.running.get(ReaderUses).flush(paywall.database)
    async with paywall.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ReaderUse)) == 0


@on_sqlite
async def test_nobody_is_blocked(paywall: Paywall) -> None:
    await paywall.sign_in("everything")
    await read_from(paywall, *range(60), fresh_device=True)
    answer = await paywall.client.post("/v1/articles/premium/unlock")
    assert answer.status_code == 200
