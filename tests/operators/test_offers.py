"""The pages of what is sold, and the same over the API."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Offer
from tests.conftest import START
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.operators.conftest import csrf_in, seen_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)
MONTHLY = {
    "name": "Monthly",
    "plan": "digital",
    "amount": 900,
    "currency": "EUR",
    "interval": "month",
}
TYPED = {**MONTHLY, "amount": "9.00", "kind": "subscription", "interval_count": "1"}


async def send(browser: httpx2.AsyncClient, path: str, **form: Any) -> httpx2.Response:
    here = f"/admin/offers/{path}"
    csrf = csrf_in((await browser.get("/admin/account")).text)
    seen = seen_in((await browser.get(here)).text, here)
    return await browser.post(here, data={"csrf": csrf, "seen": seen, **form})


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def offers(database: Database) -> list[Offer]:
    async with database.reading() as session:
        return list(await session.scalars(select(Offer).order_by(Offer.position)))


async def audited(database: Database) -> list[AuditEntry]:
    async with database.reading() as session:
        found = select(AuditEntry).where(AuditEntry.action.like("offer.%"))
        return list(await session.scalars(found.order_by(AuditEntry.id)))


@on_sqlite
async def test_an_offer_is_made_changed_ended_and_sold_again(
    signed_in: SignedIn, database: Database
) -> None:
    browser = await signed_in("billing")
    assert "No offers yet" in (await browser.get("/admin/offers")).text
    assert (await browser.get("/admin/offers/new")).status_code == 200
    asked = await send(browser, "new", **TYPED, trial_days="14")
    assert asked.status_code == 200
    assert "Monthly: 14 days free, then €9.00 a month" in text_of(asked.text)
    assert await offers(database) == []
    made = await send(browser, "new", **TYPED, trial_days="14", sure="yes")
    assert made.status_code == 303
    (offer,) = await offers(database)
    assert made.headers["location"] == f"/admin/offers/{offer.id}?done=made"
    assert "Readers can buy it now" in (await browser.get(made.headers["location"])).text
    changed = await send(browser, offer.id, change="change", name="Every month", position="7")
    assert changed.status_code == 303
    assert (await send(browser, offer.id, change="end", sure="1")).status_code == 303
    page = text_of((await browser.get(f"/admin/offers/{offer.id}?done=end")).text)
    assert "Ended. Nobody can buy it any more" in page
    assert "Put back on sale" in page
    assert (await send(browser, offer.id, change="show")).status_code == 303
    (offer,) = await offers(database)
    assert (offer.name, offer.position, offer.archived_at, offer.version) == (
        "Every month", 7, None, 4,
    )  # fmt: skip
    assert [(each.action, each.after) for each in await audited(database)] == [
        ("offer.create", {
            "name": "Monthly", "plan": "digital", "price": "14 days free, then €9.00 a month",
        }),
        ("offer.change", {"name": "Every month", "position": 7}),
        ("offer.archive", {"sold": False}), ("offer.change", {"sold": True}),
    ]  # fmt: skip


@on_sqlite
async def test_a_win_back_offer_is_made_on_the_page_and_over_the_api(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    browser = await signed_in("billing")
    asked = await send(browser, "new", **TYPED, sold_to="former")
    assert "Only former subscribers can buy it" in text_of(asked.text)
    assert 'name="sold_to" value="former"' in asked.text
    made = await send(browser, "new", **TYPED, sold_to="former", sure="yes")
    page = text_of((await browser.get(made.headers["location"])).text)
    assert "Former subscribers, through a prompt" in page
    assert "for former subscribers" in text_of((await browser.get("/admin/offers")).text)
    body = {**MONTHLY, "sold_to": "former"}
    answer = await paywall.client.post("/v1/admin/offers", json=body, headers=paywall.staff)
    assert (answer.status_code, answer.json()["sold_to"]) == (201, "former"), answer.text
    for offer in await offers(paywall.database):
        assert offer.sold_to == "former"
    for each in await audited(paywall.database):
        assert each.after is not None
        assert each.after["sold_to"] == "former"


NO_OFFER: list[tuple[dict[str, str], str]] = [
    ({"amount": ""}, "Price: enter a price"),
    ({"amount": "9,000"}, "thousands"),
    ({"amount": "0.01"}, "Stripe charges at least"),
    ({"amount": "-9"}, "amount"),
    ({"amount": "٩"}, "amount"),
    ({"currency": "XXX"}, "currency"),
    ({"plan": "Two words"}, "plan"),
    ({"plan": ""}, "plan"),
    ({"kind": "article", "interval_count": "999"}, "interval_count"),
    ({"interval_count": "99"}, "interval_count"),
    ({"interval_count": "x"}, "Number of intervals: enter a whole number"),
    ({"trial_days": "9999"}, "trial_days"),
    ({"trial_days": "14", "intro_amount": "1"}, "a trial or an intro price, not both"),
    ({"intro_amount": "10"}, "intro_amount"),
    ({"sold_to": "former", "trial_days": "14"}, "get no free days"),
    ({"sold_to": "former", "kind": "gift"}, "only a subscription"),
    ({"intro_periods": "2"}, "intro_periods"),
    ({"name": " "}, "name"),
    ({"name": "a\r\nb"}, "can't be seen"),
    ({"name": "a\u202eb"}, "can't be seen"),
    ({"name": "a\u200bb"}, "can't be seen"),
    ({"name": "x" * 81}, "1 to 80 characters"),
]  # fmt: skip


@on_sqlite
async def test_what_makes_no_offer_says_why_and_keeps_what_was_typed(
    signed_in: SignedIn, database: Database
) -> None:
    browser = await signed_in("admin")
    csrf = csrf_in((await browser.get("/admin/account")).text)
    for fields, told in NO_OFFER:
        typed = {**TYPED, **fields, "sure": "yes", "csrf": csrf, "seen": "none"}
        refused = await browser.post("/admin/offers/new", data=typed)
        assert refused.status_code == 422, fields
        assert told in unescape(refused.text), fields
        assert 'value="EUR"' in refused.text or fields.get("currency"), fields
    assert await offers(database) == []


@on_sqlite
async def test_names_are_shown_as_text(signed_in: SignedIn, store: Store) -> None:
    hostile = '"><script>alert(1)</script>=cmd'
    offer = rows.offer(name=hostile)
    await store(offer)
    browser = await signed_in("viewer")
    for path in ("/admin/offers", f"/admin/offers/{offer.id}"):
        page = (await browser.get(path)).text
        assert "<script>" not in page
        assert hostile in unescape(page)
        assert ">Edit</h2>" not in page
    assert "can’t create offers" in (await browser.get("/admin/offers/new")).text


UNCHANGED: list[tuple[dict[str, str], int, str]] = [
    ({"change": "end"}, 422, "select “I am sure” first"),
    ({"change": "change", "name": ""}, 422, "1 to 80 characters"),
    ({"change": "change", "name": "a\nb"}, 422, "can't be seen"),
    ({"change": "change", "name": "Other", "position": "-1"}, 422, "Position: "),
    ({"change": "change", "name": "Other", "position": "10000000"}, 422, "Position: "),
    ({"change": "change", "name": "Other", "seen": "x"}, 412, "somebody has changed"),
    ({"change": "end", "sure": "1", "seen": "none"}, 412, "it already exists"),
    ({"change": "delete"}, 422, "change"),
]  # fmt: skip


@on_sqlite
async def test_what_changes_no_offer_says_why(
    signed_in: SignedIn, store: Store, database: Database
) -> None:
    offer, browser = rows.offer(), await signed_in("admin")
    await store(offer)
    for form, status, told in UNCHANGED:
        refused = await send(browser, offer.id, **form)
        assert refused.status_code == status, form
        assert told in unescape(refused.text), form
    (kept,) = await offers(database)
    assert (kept.name, kept.archived_at, kept.version) == (offer.name, None, 1)
    assert await audited(database) == []


@on_sqlite
@pytest.mark.parametrize("offer_id", ["off_none", "rdr_1", "a%00b", "x" * 101])
async def test_an_unknown_offer_leads_to_the_list(signed_in: SignedIn, offer_id: str) -> None:
    answer = await (await signed_in("viewer")).get(f"/admin/offers/{offer_id}")
    assert answer.status_code in {404, 422}
    assert "Go to Today" in answer.text


async def test_the_list_has_what_each_offer_brings(signed_in: SignedIn, store: Store) -> None:
    monthly, yearly = (
        rows.offer(name="Monthly"),
        rows.offer(name="Yearly", amount=12000, interval="year", currency="USD", position=2),
    )
    gone = rows.offer(name="Gone", position=3, archived_at=START - DAY)
    one_day = rows.offer(name="A day", kind="pass", position=4)
    readers = [rows.reader() for _ in range(6)]
    spring: dict[str, Any] = {
        "id": "di_1", "coupon": "SPRING", "percent_off": "25", "amount_off": None, "currency": None,
        "duration": "repeating", "starts_at": START.isoformat(), "ends_at": None, "products": [],
    }  # fmt: skip
    intro = {**spring, "coupon": f"pw_intro_{monthly.id}_100eur_once"}
    bought = [
        rows.subscription(readers[0], monthly, discounts=[spring], started_at=START - 3 * DAY),
        rows.subscription(readers[1], monthly, discounts=[intro], started_at=START - 60 * DAY),
        rows.subscription(readers[2], monthly, status="trialing", started_at=START - DAY),
        rows.subscription(readers[3], yearly, started_at=START - 2 * DAY),
        rows.subscription(
            readers[4], monthly, status="canceled", ended_at=START, discounts=[spring],
            started_at=START - 90 * DAY,
        ),
        rows.subscription(readers[5], gone, pauses_collection=True, started_at=START - 90 * DAY),
    ]  # fmt: skip
    paid = rows.checkout(readers[0], one_day, START - DAY)
    clicks = [
        rows.checkout(readers[0], each, at)
        for each, at in (
            (monthly, START - 3 * DAY), (monthly, START - DAY), (yearly, START - 2 * DAY),
            (monthly, START - 90 * DAY),
        )
    ]  # fmt: skip
    await store(
        monthly, yearly, gone, one_day, *readers, *bought, paid, *clicks,
        rows.bought_pass(readers[0], one_day, paid),
        rows.movement(bought[0], 1, START - 3 * DAY, discounts=[spring]),
        rows.movement(bought[4], 1, START - 90 * DAY, discounts=[spring]),
    )  # fmt: skip
    browser = await signed_in("editor")
    text = text_of((await browser.get("/admin/offers")).text)
    assert "Monthly digital €9.00 a month On sale 2 1 €18.00 2" in text
    assert "Yearly digital $120.00 a year On sale 1 0 $10.00 1" in text
    assert "Gone digital €9.00 a month Ended 9 Mar 2026 0 0 0 0" in text
    assert "A day digital €9.00 for a month On sale 0 0 0 1" in text
    assert "SPRING 25 % Multiple months 1 1" in text
    assert "pw_intro" not in text
    earlier = text_of((await browser.get("/admin/offers?from=2025-12-01&to=2025-12-31")).text)
    assert "Monthly digital €9.00 a month On sale 2 1 €18.00 1" in earlier
    assert "SPRING 25 % Multiple months 1 1" in earlier
    assert "Yearly" not in text_of((await browser.get("/admin/offers?state=ended")).text)
    one = text_of((await browser.get(f"/admin/offers/{yearly.id}")).text)
    assert "Subscribers now 1 Trials now 0 MRR $10.00 Sold 1" in one
    staff = await signed_in("admin")
    for each in (monthly, yearly, gone):
        shown = (await staff.get(f"/admin/offers/{each.id}")).text
        links = re.findall(r'href="(/admin/readers\?offer=[^"]+)">(\d+)<', shown)
        assert len(links) == 2
        for link, number in links:
            listed = (await staff.get(unescape(link))).text
            found = set(re.findall(r"/admin/subscribers/(rdr_\w+)", listed))
            assert len(found) == int(number), link


@on_sqlite
@pytest.mark.parametrize("query", ["state=odd", "cursor=x", "from=2026-02-30", "odd=1", "to=%00"])
async def test_what_cant_be_listed(signed_in: SignedIn, query: str) -> None:
    assert (await (await signed_in("viewer")).get(f"/admin/offers?{query}")).status_code == 422


async def call(
    paywall: Paywall, method: str, path: str = "", *, body: Any = None, **headers: str
) -> httpx2.Response:
    return await paywall.client.request(
        method, f"/v1/admin/offers{path}", json=body, headers={**paywall.staff, **headers}
    )


async def test_the_same_over_the_api(paywall: Paywall) -> None:
    assert (await paywall.client.get("/v1/offers")).json() == {"items": []}
    made = await call(paywall, "POST", body=MONTHLY)
    assert (made.status_code, made.headers["ETag"]) == (201, '"v1"')
    offer = made.json()
    assert (offer["price_text"], offer["shown"]) == ("€9.00 a month", True)
    sold = (await paywall.client.get("/v1/offers")).json()["items"]
    assert [each["id"] for each in sold] == [offer["id"]]
    path = f"/{offer['id']}"
    seen = await call(paywall, "GET", path)
    assert (seen.json(), seen.headers["ETag"]) == (offer, '"v1"')
    ended = await call(paywall, "PATCH", path, body={"shown": False}, **{"If-Match": '"v1"'})
    assert (ended.status_code, ended.headers["ETag"]) == (200, '"v2"')
    assert ended.json()["ended_at"] is not None
    assert (await paywall.client.get("/v1/offers")).json() == {"items": []}
    late = await call(paywall, "PATCH", path, body={"name": "Other"}, **{"If-Match": '"v1"'})
    assert (late.status_code, late.json()["type"]) == (412, "/problems/offer-changed")
    assert (await call(paywall, "GET", path)).json()["name"] == "Monthly"
    again = await call(paywall, "PATCH", path, body={"shown": False}, **{"If-Match": '"v1", "v2"'})
    assert again.headers["ETag"] == '"v2"'
    (listed,) = (await call(paywall, "GET")).json()["items"]
    assert (listed["subscribers"], listed["mrr"], listed["sold"]) == (0, [], 0)
    assert (await call(paywall, "GET", "?state=sold")).json()["items"] == []
    coupons = await paywall.client.get("/v1/admin/coupons", headers=paywall.staff)
    assert coupons.json() == {"items": []}


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"amount": 0}, "body.amount"), ({"amount": 10**10}, "body.amount"),
    ({"amount": 1}, "body.amount"), ({"amount": "9.00"}, "body.amount"),
    ({"currency": "EURO"}, "body.currency"), ({"currency": "XXX"}, "body.currency"),
    ({"interval": "hour"}, "body.interval"), ({"plan": "Two words"}, "body.plan"),
    ({"name": "a\nb"}, "body.name"), ({"name": "a\0b"}, "body.name"),
    ({"price_text": "free"}, "body.price_text"), ({"position": 1}, "body.position"),
    ({"kind": "pass", "trial_days": 3}, "body.trial_days"),
    ({"covers": "article"}, "body.covers"),
]  # fmt: skip


@on_sqlite
async def test_what_makes_no_offer_is_named(paywall: Paywall) -> None:
    for change, field in WRONG_FIELDS:
        refused = await call(paywall, "POST", body={**MONTHLY, **change})
        assert refused.status_code == 422, change
        assert [each["field"] for each in refused.json()["errors"]] == [field], change
    assert await offers(paywall.database) == []


@on_sqlite
async def test_ids_of_other_things_are_no_offers(paywall: Paywall) -> None:
    for path in ("/off_none", "/rdr_0123456789abcdef01234567"):
        for answer in (
            await call(paywall, "GET", path), await call(paywall, "PATCH", path, body={"shown": True}),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/offer-not-found")
