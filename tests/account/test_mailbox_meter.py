"""All addresses of one mailbox have one registered meter; nothing else of them is joined."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from service.account.address import change_by_operator
from service.db.context import context_in
from service.db.tables import MeterWindow
from service.metering.store import MAILBOX
from tests.account.visitor import Visitor, client_of
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail

ANA, ANA_AGAIN, BEN = "ana@gmail.com", "a.na+paper@gmail.com", "ben@gmail.com"
ARTICLES = "abcdefghij"


async def signed_in(paywall: Paywall, email: str) -> Visitor:
    visitor = Visitor(paywall.client, paywall.settings)
    await visitor.ask(email)
    mail = await newest_mail(paywall.database, email)
    assert (await visitor.confirm(token=mail.token)).status_code == 200
    return visitor


async def read(visitor: Visitor, slug: str) -> int:
    return (await visitor.call("POST", f"/v1/articles/{slug}/unlock", {})).status_code


async def whose(visitor: Visitor) -> str:
    reader_id: str = (await visitor.me()).json()["id"]
    return reader_id


async def meters(paywall: Paywall) -> list[str]:
    async with paywall.database.reading() as session:
        return sorted(await session.scalars(select(MeterWindow.holder)))


@pytest.fixture
async def published(mailed: Paywall) -> AsyncIterator[Paywall]:
    for slug in ARTICLES:
        await mailed.publish(slug)
    async with client_of(mailed.app, mailed.settings) as client:
        mailed.client = client
        yield mailed


@on_sqlite
async def test_another_address_of_the_mailbox_brings_no_free_articles(published: Paywall) -> None:
    ana = await signed_in(published, ANA)
    assert [await read(ana, slug) for slug in ARTICLES[:6]] == [200] * 5 + [402]
    again = await signed_in(published, ANA_AGAIN)
    assert [await read(again, slug) for slug in ("a", "f", "g")] == [200, 402, 402]
    assert await whose(ana) != await whose(again)


@on_sqlite
@pytest.mark.parametrize("emails", [(ANA, BEN), ("ana@example.org", "ana+paper@example.org")])
async def test_a_neighbour_has_a_meter_of_their_own(
    emails: tuple[str, str], published: Paywall
) -> None:
    for email in emails:
        reader = await signed_in(published, email)
        assert [await read(reader, slug) for slug in ARTICLES[:6]] == [200] * 5 + [402]


@on_sqlite
async def test_what_a_device_read_is_carried_to_the_mailbox(published: Paywall) -> None:
    ana = Visitor(published.client, published.settings)
    await ana.ask(ANA)  # it has a device from now on
    assert [await read(ana, slug) for slug in "abcd"] == [200] * 3 + [402]
    mail = await newest_mail(published.database, ANA)
    await ana.confirm(token=mail.token)
    assert [await read(ana, slug) for slug in ARTICLES[:9]] == [200] * 8 + [402]


@on_sqlite
async def test_another_address_takes_the_meter_along(published: Paywall) -> None:
    ana = await signed_in(published, ANA)
    for slug in ARTICLES[:5]:
        await read(ana, slug)
    reader_id = await whose(ana)
    context = context_in(published.app.running)
    for email in ("ana@example.org", BEN):
        await change_by_operator(context, reader_id=reader_id, email=email, actor="command")
        moved = await signed_in(published, email)
        assert [await read(moved, slug) for slug in ("a", "f")] == [200, 402]
        kept = [each for each in await meters(published) if not each.startswith("device:")]
        assert len(kept) == 1
        assert kept[0].startswith(MAILBOX) is (email == BEN)


@on_sqlite
async def test_erasing_takes_the_mailboxs_meter(published: Paywall) -> None:
    ana = await signed_in(published, ANA)
    await read(ana, "a")
    assert any(each.startswith(MAILBOX) for each in await meters(published))
    exported = (await ana.call("GET", "/v1/me/export")).json()
    assert any(window["counted"] == ["a"] for window in exported["meter_windows"])
    assert (await ana.call("DELETE", "/v1/me")).status_code == 204
    assert not any(each.startswith(MAILBOX) for each in await meters(published))


@on_sqlite
async def test_meters_of_their_own_move_and_go_with_the_rest(published: Paywall) -> None:
    """Also where the rules don't name them any more."""
    rules = (await published.client.get("/v1/admin/rules", headers=published.staff)).json()["rules"]
    own = {
        "name": "long",
        "tags": ["Long"],
        "window": "rolling",
        "days": 9,
        "anonymous": 1,
        "registered": 1,
    }
    for meters_named in ([own], []):
        body = {**rules, "meters": meters_named}
        put = await published.client.put("/v1/admin/rules", json=body, headers=published.staff)
        assert put.status_code == 200, put.text
        if meters_named:
            for slug in "kl":
                await published.publish(slug, tags=["Long"])
            ana = await signed_in(published, ANA)
            assert [await read(ana, slug) for slug in "akl"] == [200, 200, 402]
    reader_id = await whose(ana)
    context = context_in(published.app.running)
    await change_by_operator(context, reader_id=reader_id, email=BEN, actor="command")
    moved = await signed_in(published, BEN)
    named = [each for each in await meters(published) if each.endswith("@long")]
    assert len(named) == 1
    assert named[0].startswith(MAILBOX)
    exported = (await moved.call("GET", "/v1/me/export")).json()
    assert any(window["counted"] == ["k"] for window in exported["meter_windows"])
    assert (await moved.call("DELETE", "/v1/me")).status_code == 204
    assert not [each for each in await meters(published) if each.endswith("@long")]
