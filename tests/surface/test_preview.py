"""An article as each audience sees it, in the newspaper's design."""

import re
from html import unescape
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import select

from service.access.audience import AUDIENCES, NOT_SIGNED_IN, Audience
from service.db.session import Database
from service.db.tables import AccessEntry, MeterWindow
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.offers.pricing import checked_price
from service.offers.store import create_offer
from tests.inside import CANARY, Paywall
from tests.passwords import QUICK

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]


async def sign_in(paywall: Paywall, role: str = "viewer") -> None:
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email=f"{role}-{token_hex(4)}@example.org", password="correct horse battery", role=role,
            now=now, passwords=QUICK,
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)


async def seen(paywall: Paywall, slug: str, audience: str) -> str:
    answer = await paywall.client.get(f"/articles/{slug}/preview?as={audience}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    return unescape(answer.text)


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"access": {"level": "free"}}, ["open", "open", "open", "open"]),
    ({"access": {"level": "metered"}}, ["open", "open", "open", "subscribe"]),
    ({"access": {"level": "registered"}}, ["subscribe", "open", "open", "subscribe"]),
    ({"access": {"level": "subscribers"}}, ["subscribe", "subscribe", "open", "subscribe"]),
    (
        {"access": {"level": "subscribers", "plans": ["other"]}},
        ["subscribe", "subscribe", "open", "subscribe"],
    ),
    ({"access": {"level": "metered"}, "status": "draft"}, ["open", "open", "open", "subscribe"]),
]


async def test_each_audience_sees_its_page(paywall: Paywall) -> None:
    await sign_in(paywall)
    async with paywall.database.transaction() as session:
        price = checked_price(amount=900, currency="EUR", interval="month")
        await create_offer(
            session, name="Monthly", plan="digital", price=price, now=paywall.clocks.business()
        )
    for number, (fields, expected) in enumerate(CASES):
        await paywall.publish(f"p-{number}", **fields)
        pages = [
            await seen(paywall, f"p-{number}", audience)
            for audience in ("anonymous", "registered", "subscriber", "wall")
        ]
        kinds = ["open" if CANARY in page else "subscribe" for page in pages]
        assert kinds == expected, fields
        for page in pages:
            assert "Preview: nothing is counted or recorded" in page
            assert '<script type="module"' not in page
            assert 'class="wall' in page or CANARY in page


@pytest.mark.parametrize("audience", sorted(AUDIENCES.keys() - {"subscriber"}))
async def test_each_audience_has_the_limit_of_its_readers(
    paywall: Paywall, audience: Audience
) -> None:
    await sign_in(paywall)
    await paywall.publish("limits")
    page = await seen(paywall, "limits", audience)
    settings = paywall.settings
    limit = settings.meter_limit if audience in NOT_SIGNED_IN else settings.registered_meter_limit
    left = f"{(limit or 0) - 1} free articles left"
    assert left in page or f"You have read your {limit} free articles" in page


async def test_nothing_is_counted_or_recorded(paywall: Paywall) -> None:
    await sign_in(paywall, "editor")
    await paywall.publish("ferry")
    for audience in ("anonymous", "registered", "subscriber", "wall"):
        await seen(paywall, "ferry", audience)
    assert await paywall.ledger() == []
    assert await rows_of(paywall.database, MeterWindow) == []
    assert await rows_of(paywall.database, AccessEntry) == []
    assert not re.search("pw_device", str(paywall.client.cookies))


async def rows_of(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.scalars(select(table)))


async def test_who_isnt_of_the_staff_is_led_to_the_back_office(paywall: Paywall) -> None:
    await paywall.publish("ferry", status="draft")
    paywall.client.cookies.clear()
    answer = await paywall.client.get("/articles/ferry/preview?as=subscriber")
    assert answer.status_code == 401
    assert CANARY not in answer.text
    assert 'href="/admin/sign-in"' in answer.text
    await paywall.sign_in("everything")
    assert (await paywall.client.get("/articles/ferry/preview")).status_code == 401


async def test_what_cant_be_previewed(paywall: Paywall) -> None:
    await sign_in(paywall, "billing")
    for path, status in [
        ("/articles/never/preview", 404), ("/articles/a%00b/preview", 404),
        ("/articles/a/preview?as=everybody", 422),
    ]:  # fmt: skip
        assert (await paywall.client.get(path)).status_code == status


async def test_a_prompt_is_tried_a_draft_too(paywall: Paywall) -> None:
    await paywall.publish("prompted")
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    rules["prompts"] = [
        {"name": "Come back", "title": "Your seat is free", "audiences": ["lapsed"], "draft": True},
        {"name": "Hello", "title": "Hello, reader", "place": "notice", "draft": True},
    ]
    saved = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
    assert saved.status_code == 200, saved.text
    await sign_in(paywall, "editor")
    for query, words, is_shown in [
        ("wall&prompt=Come%20back", "Your seat is free", True),
        ("lapsed&prompt=Come%20back", "Your seat is free", True),
        ("lapsed", "Your seat is free", False),
        ("anonymous&prompt=Hello", "Hello, reader", True),
        ("past_due", "Update your payment details", True),
    ]:
        assert (words in await seen(paywall, "prompted", query)) is is_shown, query
    unknown = await paywall.client.get("/articles/prompted/preview?prompt=Nothing")
    assert unknown.status_code == 404
