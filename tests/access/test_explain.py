"""Explanations: what each rule saw, and what isn't known."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from service.access.elsewhere import CONTRACTS_OF_TODAY
from service.access.explain import (
    AHEAD,
    BROWSERS_METER,
    CUT_AGAIN,
    METER_OF_TODAY,
    NO_BROWSER,
    NO_RULES_YET,
    NOT_THERE_YET,
    READERS_BROWSER,
    SETTINGS_OF_TODAY,
    UNKNOWN_BROWSER,
)
from service.db.session import Database
from service.db.tables import Article, GiftLink, GiftOpening, Grant, Reader, ReaderDevice
from service.identity.readers import create_reader
from service.settings import Settings
from tests.access.explanations import ADDRESS, explained, inside_with_few, instant, shown, used
from tests.access.test_prompts import put
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.keys import create_api_key
from tests.reports import rows


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside_with_few(database, settings, clocks) as made:
        yield made


@on_sqlite
async def test_the_trail_says_what_each_rule_saw(paywall: Paywall) -> None:
    await paywall.publish("a", access={"level": "subscribers"})
    reader = await paywall.sign_in("plan:digital")
    told = await explained(paywall, reader, "a")
    assert [(step["rule"], step["decided"]) for step in told["trail"]] == [
        ("visible", False), ("free", False), ("grant", True)
    ]  # fmt: skip
    assert told["trail"][2]["saw"] == "subscription plan:digital"
    assert (told["outcome"], told["reason_text"]) == ("open", "with a subscription")
    assert told["level"] == {"level": "subscribers", "source": "article", "until": None}
    assert (told["recorded"], told["unknown"]) == (None, [])


@on_sqlite
async def test_what_is_not_known_is_said(paywall: Paywall, clocks: MovingClocks) -> None:
    before = clocks.business()
    clocks.travel(timedelta(hours=1))
    await paywall.publish("new", access={"level": "free"})
    reader = await paywall.sign_in("plan:digital")
    then = clocks.travel(timedelta(hours=1))
    assert NO_BROWSER not in (await explained(paywall, reader, "new"))["unknown"]
    clocks.travel(timedelta(hours=1))
    await paywall.publish("new", access={"level": "metered"}, section="arts")
    async with paywall.database.transaction() as session:
        await session.execute(update(Grant).values(recorded_since=None, updated_at=before))
        await session.execute(update(Grant).values(ends_at=then, updated_at=clocks.business()))
    early = await explained(paywall, reader, "new", at=instant(before))
    assert (early["outcome"], early["level"]) == ("hidden", None)
    assert {NOT_THERE_YET, "The reader wasn't known yet."} <= set(early["unknown"])
    middle = await explained(paywall, reader, "new", at=instant(then))
    assert middle["reason"] == "free"
    assert CUT_AGAIN in middle["unknown"]
    assert any("1 of the reader's grants" in each for each in middle["unknown"])
    assert (await explained(paywall, reader, "new"))["unknown"] == [NO_BROWSER]
    ahead = await explained(paywall, reader, "new", at="2100-01-01T00:00:00Z")
    assert AHEAD in ahead["unknown"]


@on_sqlite
async def test_the_meter_of_an_unconfirmed_reader_is_the_last_browsers(paywall: Paywall) -> None:
    await paywall.publish("a")
    await paywall.publish("b")
    reader = await paywall.sign_in()
    assert (await paywall.unlock("a")).status_code == 200
    await paywall.ledger()
    told = await explained(paywall, reader, "b")
    assert (told["outcome"], told["meter"]["used"]) == ("walled", 1)
    assert told["unknown"] == [BROWSERS_METER]
    again = await explained(paywall, reader, "a")
    assert (again["outcome"], again["would_consume"]) == ("metered", False)
    assert again["recorded"]["consumed"]


@on_sqlite
async def test_a_browser_of_nobody_known_is_explained_by_its_id(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    for slug in "abc":
        await paywall.publish(slug)
    await paywall.publish("d", access={"level": "subscribers"})
    before = clocks.business()
    clocks.travel(timedelta(minutes=1))
    assert (await paywall.unlock("a")).status_code == 200
    assert (await paywall.unlock("b")).status_code == 402
    device = str((await paywall.ledger())[0].device_id)
    for slug in "abd":
        look = (await paywall.client.get(f"/v1/articles/{slug}/access")).json()
        seen = (look["reason"], look["granted"], look["would_consume"], used(look["meter"]))
        for named in (device, f"device:{device}"):
            told = await explained(paywall, named, slug)
            assert shown(told) == seen
            assert (told["reader_id"], told["device"], told["unknown"]) == (None, device, [])
    assert (await explained(paywall, device, "a"))["recorded"]["consumed"]
    early = await explained(paywall, device, "a", at=instant(before))
    assert (early["would_consume"], early["recorded"]) == (True, None)
    assert UNKNOWN_BROWSER in early["unknown"]

    now = clocks.business()
    async with paywall.database.transaction() as session:
        article = await session.scalar(select(Article.id).where(Article.slug == "d"))
        session.add(GiftLink(
            id="gft_1", reader_id="rdr_giver", article_id=article, month=now, most_readers=3, readers=1,
            created_at=now, ends_at=now + timedelta(days=9), ended_at=now + timedelta(days=2),
        ))  # fmt: skip
        await session.flush()
        session.add(GiftOpening(link_id="gft_1", device_id=device, opened_at=now))
    opened = clocks.travel(timedelta(days=1))
    assert shown(await explained(paywall, device, "d"))[:2] == ("gift", True)
    clocks.travel(timedelta(days=2))
    assert shown(await explained(paywall, device, "d"))[:2] == ("subscribers_only", False)
    then = await explained(paywall, device, "d", at=instant(opened))
    assert shown(then)[:2] == ("gift", True)
    async with paywall.database.transaction() as session:
        reader = await create_reader(session, email=None, clocks=clocks)
        session.add(ReaderDevice(device_id=device, reader_id=reader.id, linked_at=now))
    assert READERS_BROWSER in (await explained(paywall, device, "d"))["unknown"]
    asked = {"reader": "dev_1", "article": "a"}
    answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
    assert answer.status_code == 404


@on_sqlite
async def test_a_gift_link_on_a_browser_of_theirs_is_said(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a", access={"level": "subscribers"})
    reader, now = await paywall.sign_in(), clocks.business()
    async with paywall.database.transaction() as session:
        article = await session.scalar(select(Article.id).where(Article.slug == "a"))
        link = GiftLink(
            id="gft_1", reader_id="rdr_giver", article_id=article, month=now, most_readers=3, readers=1,
            created_at=now, ends_at=now + timedelta(days=30), ended_at=None,
        )  # fmt: skip
        session.add_all([link, ReaderDevice(device_id="dev_1", reader_id=reader, linked_at=now)])
        await session.flush()
        session.add(GiftOpening(link_id="gft_1", device_id="dev_1", opened_at=now))
    later = clocks.travel(timedelta(days=1))
    told = await explained(paywall, reader, "a")
    assert told["outcome"] == "walled"
    assert "in one of theirs a gift link opens this article until 9 April 2026" in str(
        told["unknown"]
    )
    async with paywall.database.transaction() as session:
        await session.execute(update(GiftLink).values(ended_at=later))
    assert "gift link" not in str((await explained(paywall, reader, "a"))["unknown"])


@on_sqlite
async def test_of_a_past_instant_it_says_which_rules_are_todays(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a")
    reader, times = await paywall.sign_in(), []
    meter = {"window": "day", "anonymous": 7, "registered": 7}
    levels = {"levels": {"default": {"level": "metered"}}}
    for rules in (None, levels, {**levels, "meter": meter}):
        if rules is not None:
            saved = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
            assert saved.status_code == 200, saved.text
        times.append(clocks.business())
        clocks.travel(timedelta(hours=1))
    told = [await explained(paywall, reader, "a", at=instant(at)) for at in times]
    about = {SETTINGS_OF_TODAY, NO_RULES_YET, METER_OF_TODAY}
    assert [about & set(each["unknown"]) for each in told] == [
        {SETTINGS_OF_TODAY, NO_RULES_YET}, {SETTINGS_OF_TODAY, METER_OF_TODAY}, {SETTINGS_OF_TODAY},
    ]  # fmt: skip
    assert [each["meter"]["limit"] for each in told] == [1, 1, 7]
    assert about.isdisjoint((await explained(paywall, reader, "a"))["unknown"])


@on_sqlite
async def test_the_networks_from_which_it_opens_are_said(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("a", access={"level": "subscribers", "plans": ["digital"]})
    reader = await paywall.sign_in()

    async def agree(name: str, plan: str = "digital", *networks: str, slug: str = "") -> None:
        body = {"name": name, "plan": plan, "networks": networks, "domains": ["library.example"]}
        slug = slug or name.lower().replace(" ", "-")
        put = await paywall.client.put(
            f"/v1/admin/institutions/{slug}", json=body, headers=paywall.staff
        )
        assert put.status_code == 200, put.text

    async def said(**query: str) -> list[str]:
        unknown = (await explained(paywall, reader, "a", **query))["unknown"]
        return [each for each in unknown if "network of" in each or each == CONTRACTS_OF_TODAY]

    await agree("By Domain")
    await agree("Other Plan", "print", "192.0.2.0/25")
    assert await said() == []
    await agree("City Library", "digital", "198.51.100.0/24")
    signed = clocks.business()
    assert await said() == ["From a network of City Library it opens without signing in."]
    clocks.travel(timedelta(hours=1))
    for n in range(1, 5):
        await agree(f"School {n}", "digital", f"203.0.113.{16 * n}/28")
    assert await said() == [
        "From a network of City Library, School 1, School 2 or 2 more it opens without signing in."
    ]
    assert await said(at=instant(signed)) == [
        "From a network of City Library it opens without signing in."
    ]
    await agree("City Library", "digital", "198.51.100.0/25")
    assert (await said(at=instant(signed)))[1:] == [CONTRACTS_OF_TODAY]
    await agree("City Library", "digital", "198.51.100.128/25", slug="second")
    (both,) = await said()
    assert "City Library (city-library), City Library (second), School 1 or 3 more" in both
    await paywall.publish("a", access={"level": "free"})
    assert await said() == []
    for audience, section, is_said in [
        ("lapsed", None, False), ("institution", "arts", False), ("institution", None, True),
    ]:  # fmt: skip
        about = {"sections": [section]} if section else {}
        prompt = {"name": "n", "place": "notice", "title": "t", "audiences": [audience], **about}
        await put(paywall, prompt)
        told = [each for each in await said() if "the audience may be" in each]
        assert len(told) == is_said, (audience, section)
    assert "the audience may be" not in str(await said(at=instant(signed)))


@on_sqlite
async def test_what_cannot_be_explained(paywall: Paywall) -> None:
    await paywall.publish("a")
    reader = await paywall.sign_in()
    cases = {
        (reader, "nothing"): 404, ("rdr_unknown", "a"): 404, ("nobody@example.org", "a"): 404,
        ("a@b@c", "a"): 422, ("", "a"): 422, (reader, ""): 422, ("x" * 256, "a"): 422,
    }  # fmt: skip
    for (who, slug), status in cases.items():
        asked = {"reader": who, "article": slug}
        answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
        assert answer.status_code == status, (who, slug, answer.text)
    for at in ("soon", "2026-03-10", "2026-03-10T09:00:00", "9999-12-31T23:59:59-23:00"):
        asked = {"reader": reader, "article": "a", "at": at}
        answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
        assert answer.status_code == 422, at


@on_sqlite
async def test_a_former_slug_and_a_confirmed_address_are_understood(paywall: Paywall) -> None:
    await paywall.publish("a")
    reader = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader).values(
                verified_key="ana@example.org", email_verified_at=paywall.clocks.business()
            )
        )
    told = await explained(paywall, "Ana@Example.org", "a")
    assert told["reader_id"] == reader


@on_sqlite
async def test_what_was_read_and_bought_is_for_those_who_may_see_readers(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    for slug, level in {
        "free": "free",
        "plan": "subscribers",
        "gold": "subscribers",
        "meter": "metered",
    }.items():
        plans = {"plans": ["gold"]} if slug == "gold" else {}
        await paywall.publish(slug, access={"level": level, **plans})
    reader = await paywall.sign_in("plan:silver")
    offer, known = rows.offer(plan="silver"), rows.reader(id=reader)
    async with paywall.database.transaction() as session:
        session.add(offer)
        await session.flush()
        session.add(rows.subscription(known, offer, status="canceled", ended_at=rows.NOW))
        key = await create_api_key(
            session, label="Desk", scopes=["decisions:read"], now=paywall.clocks.wall()
        )

    async def both(slug: str, **query: str) -> tuple[dict[str, Any], dict[str, Any]]:
        answer = await paywall.client.get(
            ADDRESS,
            params={"reader": reader, "article": slug, **query},
            headers={"Authorization": f"Bearer {key}"},
        )
        return await explained(paywall, reader, slug, **query), answer.json()

    await paywall.unlock("free")
    await paywall.ledger()
    whole, told = await both("free")
    assert (whole["reader_id"], whole["recorded"]["granted"]) == (reader, True)
    assert whole["said"]["audience"] == "lapsed"
    assert told == whole | {"reader_id": None, "recorded": None, "said": None}
    whole, told = await both("gold")
    assert whole["trail"][2]["saw"] == "the only grant doesn't open it"
    assert [each["saw"] for each in told["trail"][2:]] == [
        "no grant opens it",
        "grants alone open it",
    ]
    whole, told = await both("meter")
    assert (whole["reason"], whole["trail"], whole["meter"]["limit"]) == (
        "subscription", told["trail"], 1)  # fmt: skip
    assert told["meter"] is None
    then = clocks.business()
    changed = update(Grant).values(
        recorded_since=None, updated_at=clocks.travel(timedelta(hours=1))
    )
    async with paywall.database.transaction() as session:
        await session.execute(changed)
    whole, told = await both("gold", at=instant(then))
    (grants,) = set(whole["unknown"]) - set(told["unknown"])
    assert grants.startswith("1 of the reader's grants")
