"""Readers say that they subscribe elsewhere: by account number, or name, and postcode."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select, update

from service.db.context import Context
from service.db.session import Database
from service.db.tables import DomainEvent, RateLimit, Reader
from service.grants.rights import give_rights_of_address
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.rules.document import of_settings
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.statements import statements

CLAIM = "/v1/me/entitlements"
LINK = '<a href="/account/elsewhere">I already have a subscription'
MINE = {"account_number": "kd 4711", "postcode": "1000 001"}


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    allowing = settings.model_copy(update={"rights_by_account": True, "rights_provisional_days": 7})
    async with inside(database, allowing, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        yield made


async def arrive(paywall: Paywall, name: str, *, confirmed: bool = True) -> httpx2.AsyncClient:
    """A signed-in reader's browser."""
    async with paywall.database.transaction() as session:
        reader = await create_reader(session, email=None, clocks=paywall.clocks)
        if confirmed:
            address = f"{name}@example.org"
            await session.execute(
                update(Reader).where(Reader.id == reader.id).values(
                    email=address, email_key=address, verified_key=address,
                    email_verified_at=paywall.clocks.business(),
                )
            )  # fmt: skip
        opened = await open_session(
            session, reader_id=reader.id, now=paywall.clocks.wall(), settings=paywall.settings
        )
    browser = paywall.new_client()
    browser.cookies.set(cookie_name("session", paywall.settings), opened.token, domain="127.0.0.1")
    return browser


async def send(paywall: Paywall, **fields: Any) -> Any:
    right = {"plan": "digital", "account_number": "KD-4711", "postcode": "1000-001", **fields}
    answer = await paywall.client.put(
        "/v1/admin/entitlements/print/KD", json=right, headers=paywall.staff
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def unlock(browser: httpx2.AsyncClient) -> Any:
    return (await browser.post("/v1/articles/premium/unlock")).json()["reason"]


async def test_number_and_postcode_open_what_another_system_sent(paywall: Paywall) -> None:
    await send(paywall, ends_at="2026-12-31T00:00:00Z")
    browser = await arrive(paywall, "ana")
    answer = await browser.post(CLAIM, json=MINE)
    assert answer.json() == {"state": "open", "until": "2026-12-31T00:00:00Z"}
    assert await unlock(browser) == "external"
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "open", "it may be repeated"


@on_sqlite
async def test_a_number_opens_all_that_its_household_has(paywall: Paywall) -> None:
    await send(paywall)
    weekend = {"plan": "weekend", "account_number": "KD 4711", "postcode": "1000001"}
    address = "/v1/admin/entitlements/print/KD-2"
    assert (
        await paywall.client.put(address, json=weekend, headers=paywall.staff)
    ).status_code == 200
    browser = await arrive(paywall, "ana")
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "open"
    held = (await browser.get("/v1/me")).json()["grants"]
    assert {each["scope"] for each in held} == {"plan:digital", "plan:weekend"}


@on_sqlite
async def test_a_name_with_its_postcode_does_too(paywall: Paywall) -> None:
    await send(paywall, account_number="", name="Zoë Müller")
    browser = await arrive(paywall, "ana")
    answer = await browser.post(CLAIM, json={"name": "zoe MULLER", "postcode": "1000001"})
    assert answer.json()["state"] == "open"


@pytest.mark.parametrize("known_by", [{}, {"account_number": "", "email": "zoe@example.org"}])
async def test_a_name_finds_nothing_that_is_known_by_more(
    paywall: Paywall, known_by: dict[str, str]
) -> None:
    await send(paywall, name="Zoë Müller", **known_by)
    stranger = await arrive(paywall, "stranger")
    answer = await stranger.post(CLAIM, json={"name": "Zoë Müller", "postcode": "1000-001"})
    assert answer.json()["state"] == "provisional", "as for a name that nobody has sent"
    sent = await send(paywall, **{"name": "Zoë Müller", "plan": "daily", **known_by})
    assert sent["reader_id"] is None, "nor does the claim that waits"


async def test_the_confirmed_address_takes_it_back_from_a_stranger(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await send(paywall, email="zoe@example.org")
    stranger = await arrive(paywall, "stranger")
    assert (await stranger.post(CLAIM, json=MINE)).json()["state"] == "open"
    zoe = await arrive(paywall, "other")
    zoe_id = (await zoe.get("/v1/me")).json()["id"]
    clocks.travel(timedelta(minutes=1))
    async with paywall.database.transaction() as session:
        for _ in range(2):
            await give_rights_of_address(
                session, Context(paywall.settings, paywall.clocks, paywall.database),
                reader_id=zoe_id, address_key="zoe@example.org",
            )  # fmt: skip
    assert await unlock(zoe) == "external"
    assert await unlock(stranger) == "subscribers_only"
    async with paywall.database.reading() as session:
        types = list(
            await session.scalars(
                select(DomainEvent.type)
                .where(DomainEvent.type.startswith("right."))
                .order_by(DomainEvent.id)
            )
        )
    assert sorted(types) == ["right.ended", "right.started", "right.started"]


@pytest.mark.parametrize("plan", ["digital", "daily"])
async def test_a_list_takes_it_back_for_the_confirmed_address(
    paywall: Paywall, clocks: MovingClocks, plan: str
) -> None:
    await send(paywall, email="zoe@example.org")
    stranger = await arrive(paywall, "stranger")
    assert (await stranger.post(CLAIM, json=MINE)).json()["state"] == "open"
    zoe = await arrive(paywall, "zoe")
    clocks.travel(timedelta(minutes=1))
    sent = await send(paywall, email="zoe@example.org", plan=plan)
    assert sent["bound_by"] == "email"
    assert await unlock(zoe) == "external"
    assert await unlock(stranger) == "subscribers_only"


@on_sqlite
async def test_a_claim_that_no_list_has_had_for_long_binds_nothing(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    stranger = await arrive(paywall, "stranger")
    await stranger.post(CLAIM, json=MINE)
    clocks.travel(timedelta(days=7 + 60))
    assert (await send(paywall))["reader_id"] is None


async def test_what_no_list_has_opens_for_a_week_once_and_for_good_by_the_next_list(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    browser = await arrive(paywall, "ana")
    first = (await browser.post(CLAIM, json=MINE)).json()
    assert first == {"state": "provisional", "until": "2026-03-17T09:00:00Z"}
    assert await unlock(browser) == "external"
    clocks.travel(timedelta(hours=2))
    assert (await browser.post(CLAIM, json=MINE)).json() == first, "it doesn't begin anew"
    other = {"account_number": "another", "postcode": "1"}
    assert (await browser.post(CLAIM, json=other)).status_code == 404, "one week a reader"
    clocks.travel(timedelta(days=5))
    await send(paywall)
    clocks.travel(timedelta(days=5))
    assert await unlock(browser) == "external"


@on_sqlite
async def test_without_a_list_the_week_ends(paywall: Paywall, clocks: MovingClocks) -> None:
    browser, other = await arrive(paywall, "ana"), await arrive(paywall, "bo")
    await browser.post(CLAIM, json=MINE)
    assert (await other.post(CLAIM, json=MINE)).status_code == 404, "one week a number"
    clocks.travel(timedelta(days=7))
    assert await unlock(browser) == "subscribers_only"
    assert (await browser.post(CLAIM, json=MINE)).status_code == 404


@on_sqlite
async def test_nobody_learns_what_was_wrong(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    strict = settings.model_copy(update={"rights_by_account": True})
    async with inside(database, strict, clocks) as paywall:
        await send(paywall)
        taken = await arrive(paywall, "ana")
        assert (await taken.post(CLAIM, json=MINE)).status_code == 200
        await paywall.client.put(
            "/v1/admin/entitlements/print/OLD",
            json={"plan": "digital", "account_number": "1", "postcode": "1",
                  "ends_at": "2026-03-10T09:00:00.000001Z", "starts_at": "2020-01-01T00:00:00Z"},
            headers=paywall.staff,
        )  # fmt: skip
        clocks.travel(timedelta(hours=1))
        tried = [
            MINE, {"account_number": "KD-4711", "postcode": "9"},
            {"account_number": "unknown", "postcode": "1000-001"},
            {"account_number": "1", "postcode": "1"}, {"account_number": "-", "postcode": "-"},
        ]  # fmt: skip
        bo = await arrive(paywall, "bo")
        answers = [await bo.post(CLAIM, json=each) for each in tried]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1


@on_sqlite
async def test_tries_are_limited_by_reader_and_by_number(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    ana = await arrive(paywall, "ana")
    statuses = [
        (await ana.post(CLAIM, json={"account_number": f"n{n}", "postcode": "1"})).status_code
        for n in range(6)
    ]
    assert (statuses[-1], statuses.count(429)) == (429, 1)
    for n in range(12):
        clocks.travel(timedelta(hours=1))
        answer = await (await arrive(paywall, f"r{n}")).post(
            CLAIM, json={"account_number": "K-1", "postcode": str(n)}
        )
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 3600
    assert "Try again tomorrow" in answer.json()["detail"]


@on_sqlite
async def test_a_try_that_looks_nothing_up_is_none(paywall: Paywall) -> None:
    await send(paywall)
    unconfirmed = await arrive(paywall, "ana", confirmed=False)
    for _ in range(6):
        answer = await unconfirmed.post(CLAIM, json=MINE)
        assert answer.json()["type"] == "/problems/address-unconfirmed"
    for n in range(4):
        browser = await arrive(paywall, f"of-a-busy-network-{n}")
        for each in range(5):
            await browser.post(CLAIM, json={"account_number": f"{n}/{each}", "postcode": "1"})
    late = await arrive(paywall, "late")
    for _ in range(11):
        assert (await late.post(CLAIM, json=MINE)).status_code == 429, (
            "the network has had its tries"
        )
    async with paywall.database.transaction() as session:
        await session.execute(
            delete(RateLimit).where(RateLimit.key.startswith("right-claims-network/"))
        )
    assert (await late.post(CLAIM, json=MINE)).json()["state"] == "open", "the reader hasn't"


async def test_who_moves_keeps_what_they_claimed(paywall: Paywall, clocks: MovingClocks) -> None:
    await send(paywall)
    browser = await arrive(paywall, "ana")
    await browser.post(CLAIM, json=MINE)
    clocks.travel(timedelta(minutes=1))
    assert (await send(paywall, postcode="2000-002"))["bound_by"] == "account"
    assert await unlock(browser) == "external"
    clocks.travel(timedelta(minutes=1))
    await send(paywall, account_number="KD-4712", postcode="2000-002")
    assert await unlock(browser) == "subscribers_only", "another number is another's"


@on_sqlite
async def test_a_right_that_is_sent_loads_no_other_claims(paywall: Paywall) -> None:
    with statements() as seen:
        await send(paywall)
    asked = [each for each in seen if "FROM right_claims" in each]
    assert len(asked) == 1
    assert "right_claims.hash IN" in asked[0]


@on_sqlite
async def test_a_number_that_no_list_has_yet_only_reads(paywall: Paywall) -> None:
    browser, linking = await arrive(paywall, "ana"), "/v1/admin/subscription-linking?publication=x"
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "provisional"
    assert await unlock(browser) == "external"
    refused = await browser.post("/v1/articles/premium/gift-links")
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_subscribed")
    assert (await paywall.client.get(linking, headers=paywall.staff)).json()["items"] == []
    await send(paywall)
    assert (await browser.post("/v1/articles/premium/gift-links")).status_code == 201
    (linked,) = (await paywall.client.get(linking, headers=paywall.staff)).json()["items"]
    assert [each["productId"] for each in linked["entitlements"]] == ["x:digital"]


@on_sqlite
async def test_many_of_one_name_may_try(paywall: Paywall, clocks: MovingClocks) -> None:
    async def tried(number: int, postcode: str) -> int:
        clocks.travel(timedelta(hours=1))
        reader = await arrive(paywall, f"r{number}")
        body = {"name": "Maria Silva", "postcode": postcode}
        return (await reader.post(CLAIM, json=body)).status_code

    assert {await tried(n, f"1000-{n:03}") for n in range(12)} == {200}
    assert [await tried(20 + n, "2000-001") for n in range(11)][-2:] == [404, 429]


@on_sqlite
async def test_who_may_not_claim(
    paywall: Paywall, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    unconfirmed = await arrive(paywall, "x", confirmed=False)
    assert (await unconfirmed.post(CLAIM, json=MINE)).json()[
        "type"
    ] == "/problems/address-unconfirmed"
    assert (await paywall.new_client().post(CLAIM, json=MINE)).status_code == 401
    browser = await arrive(paywall, "ana")
    for body in (
        {},
        {"postcode": "1"},
        {**MINE, "name": "x"},
        {**MINE, "postcode": ""},
        {**MINE, "x": 1},
    ):
        assert (await browser.post(CLAIM, json=body)).status_code == 422, body


@on_sqlite
async def test_a_newsroom_that_does_not_allow_it(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        browser = await arrive(paywall, "ana")
        assert (await browser.post(CLAIM, json=MINE)).status_code == 404
        assert (await browser.get("/account/elsewhere")).status_code == 404
        await paywall.publish("closed", access={"level": "subscribers"})
        met = (await browser.post("/v1/articles/closed/unlock")).json()["wall"]["actions"]
        assert "claim" not in {each["rel"] for each in met}
        page = (await browser.get("/articles/closed")).text
        assert ("wall-title" in page, "/account/elsewhere" in page) == (True, False)


@on_sqlite
async def test_the_form_without_javascript(paywall: Paywall) -> None:
    browser = await arrive(paywall, "ana")
    assert "I already have a subscription" in (await browser.get("/account")).text
    assert 'name="postcode"' in (await browser.get("/account/elsewhere")).text
    typed = {"number": "KD-4711", "postcode": "1000-001"}
    first = await browser.post("/account/elsewhere", data=typed)
    assert "You have access until 17 March 2026" in first.text
    again = await browser.post("/account/elsewhere", data={**typed, "number": "<b>", "by": "name"})
    assert again.status_code == 404
    assert "Subscription not found." in again.text
    assert 'value="&lt;b&gt;"' in again.text
    stranger = paywall.new_client()
    assert "Sign in and confirm" in (await stranger.get("/account/elsewhere")).text
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    other = await arrive(paywall, "bea")
    met = (await other.post("/v1/articles/closed/unlock")).json()["wall"]["actions"]
    assert {"rel": "claim", "method": "POST", "href": CLAIM} in met
    assert LINK in (await other.get("/articles/closed")).text
    # Nobody signs in by mail here.
    assert LINK not in (await stranger.get("/articles/closed")).text


@on_sqlite
async def test_a_stranger_is_led_to_the_form_from_the_wall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mailing = {"rights_by_account": True, "mail_from": "Gazette <hello@gazette.example.org>"}
    async with inside(database, settings.model_copy(update=mailing), clocks) as paywall:
        await paywall.publish("premium", access={"level": "subscribers"})
        stranger = paywall.new_client()
        for path in ("/articles/premium", "/account"):
            assert LINK in (await stranger.get(path)).text, path


@on_sqlite
async def test_an_editor_lets_readers_say_so_and_for_how_long_they_read_meanwhile(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        browser = await arrive(made, "ana")
        assert (await browser.post(CLAIM, json=MINE)).status_code == 404
        assert (await browser.get("/account/elsewhere")).status_code == 404
        rules = of_settings(settings).model_dump(mode="json")
        for days, state in ((0, None), (3, "provisional")):
            rules["elsewhere"] = {"by_account": True, "provisional_days": days}
            saved = await made.client.put("/v1/admin/rules", json=rules, headers=made.staff)
            assert saved.status_code == 200, saved.text
            answer = (await browser.post(CLAIM, json=MINE)).json()
            assert answer.get("state") == state
        assert datetime.fromisoformat(answer["until"]) == clocks.business() + timedelta(days=3)
        assert 'name="postcode"' in (await browser.get("/account/elsewhere")).text
        other = await arrive(made, "zoe")
        assert LINK in (await other.get("/articles/premium")).text, "a wall leads there"
