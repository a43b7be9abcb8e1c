"""Stripe's own figures beside ours: the pages, and the same over the API."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Reconciliation, StripeFigure
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.conftest import csrf_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)
TYPED = {"figure": "mrr", "currency": "EUR", "value": "20.50"}
pytestmark = on_sqlite


@pytest.fixture
async def sold(store: Store) -> None:
    """Two at 9.00, one of them with its collection paused; mugs at 2.50 on the same account."""
    offer, reader = rows.offer(), rows.reader()
    one = rows.subscription(reader, offer, started_at=START - 9 * DAY)
    rests = rows.subscription(reader, offer, started_at=START - 9 * DAY, pauses_collection=True)
    await store(
        offer, reader, one, rests, rows.movement(one, 1, START - 9 * DAY),
        rows.movement(rests, 1, START - 9 * DAY),
        rows.ending(rests, 2, START - 8 * DAY, kind="pause", cause="collection_paused"),
        Reconciliation(
            id="rec_1", started_by="nightly", started_at=START - DAY, finished_at=START - DAY,
            events_since=START - 2 * DAY, events_missed=0, compared=1, booked=0, not_ours=1, found=0,
            remaining=0, differences=[], fixed=True, foreign={"EUR": {"mrr": "250", "customers": 1}},
        ),
    )  # fmt: skip


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def send(browser: httpx2.AsyncClient, path: str, **form: Any) -> httpx2.Response:
    csrf = csrf_in((await browser.get("/admin/account")).text)
    return await browser.post(f"/admin/stripe-figures{path}", data={"csrf": csrf, **form})


@pytest.mark.usefixtures("sold")
async def test_a_figure_is_entered_explained_and_deleted(
    signed_in: SignedIn, database: Database
) -> None:
    browser = await signed_in("billing")
    assert "No figures yet" in (await browser.get("/admin/stripe-figures")).text
    entered = await send(browser, "", **TYPED)
    assert entered.status_code == 303
    address = entered.headers["location"]
    page = text_of((await browser.get(address)).text)
    assert "Ours €9.00 Sold by something else on the account €2.50 Unexplained €9.00" in page
    assert "matches: Collection paused" in page
    listed = text_of((await browser.get("/admin/stripe-figures")).text)
    assert "MRR, EUR €20.50 €9.00 €11.50 €9.00" in listed
    assert "by billing@example.org" in listed
    assert (await send(browser, address.removeprefix("/admin/stripe-figures") + "/delete")).status_code == 303  # fmt: skip
    async with database.reading() as session:
        assert await session.scalar(select(StripeFigure)) is None
        actions = select(AuditEntry.action).where(AuditEntry.action.like("stripe-figure.%"))
        assert list(await session.scalars(actions.order_by(AuditEntry.id))) == [
            "stripe-figure.enter", "stripe-figure.delete",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"currency": ""}, "Choose a currency for MRR"),
        ({"currency": "ZZZ"}, "a currency from the list"),
        ({"value": "12.345,6.7"}, "without its thousands grouped"),
        ({"value": "many", "figure": "active-subscribers"}, "enter a whole number such as 87"),
        ({"value": "-1", "figure": "active-subscribers"}, "enter a whole number such as 87"),
        ({"value": "9" * 17, "figure": "active-subscribers"}, "is too large"),
        ({"figure": "arr", "value": "1"}, "a figure from the list"),
        (
            {"currency": "Euros", "figure": "active-subscribers", "value": "1"},
            "a currency from the list",
        ),
        ({"churn": "never"}, "each of Stripe’s settings"),
        ({"day": "2099-01-01"}, "a time in the past"),
        ({"day": "yesterday"}, "as 2026-03-01"),
    ],
)
async def test_what_cant_be_entered(
    signed_in: SignedIn, fields: dict[str, str], told: str
) -> None:  # fmt: skip
    answer = await send(await signed_in("billing"), "", **{**TYPED, **fields})
    assert (answer.status_code, told in text_of(answer.text)) == (422, True)


class TickingClocks(MovingClocks):
    """As real ones: no two looks at them are the same."""

    def business(self) -> datetime:
        return self.travel(timedelta(microseconds=1))


async def test_now_is_now_though_the_clock_moves(
    store: Store, database: Database, settings: Settings
) -> None:
    """Of now the row says whether it is scheduled to end; of the past only the kept history does."""
    offer, reader = rows.offer(), rows.reader()
    bought = rows.subscription(reader, offer, started_at=START - 9 * DAY, cancel_at=START + 9 * DAY)
    await store(offer, reader, bought, rows.movement(bought, 1, START - 9 * DAY))
    async with inside(database, settings, TickingClocks()) as paywall:
        body = {
            "figure": "mrr", "currency": "EUR", "value": 0, "settings": {"churn": "cancelled"},
        }  # fmt: skip
        answer = await paywall.client.post(
            "/v1/admin/stripe-figures", headers=paywall.staff, json=body
        )
    entry = answer.json()
    assert (answer.status_code, entry["ours"], entry["rest"]) == (201, 900, 0)
    assert {"cause": "churn", "amount": -900} in entry["parts"]


@pytest.mark.usefixtures("sold")
async def test_over_the_api(paywall: Paywall) -> None:
    async def call(method: str, path: str, **body: Any) -> httpx2.Response:
        return await paywall.client.request(
            method, f"/v1/admin/stripe-figures{path}", headers=paywall.staff, json=body or None
        )

    made = await call("POST", "", figure="active-subscribers", value=2)
    assert made.status_code == 201
    entry = made.json()
    assert (entry["ours"], entry["difference"], entry["rest"]) == (1, 1, 0)
    assert entry["parts"] == [{"cause": "foreign", "amount": 1}]
    past = await call("POST", "", figure="mrr", currency="EUR", value=0, at="2020-01-01T00:00:00Z")
    assert (past.json()["ours"], past.json()["entered_by"]) == (0, entry["entered_by"])
    listed = (await call("GET", "")).json()["items"]
    assert [each["id"] for each in listed] == [entry["id"], past.json()["id"]]
    assert (await call("GET", f"/{entry['id']}")).json() == entry
    assert (await call("DELETE", f"/{entry['id']}")).status_code == 204
    assert (await call("DELETE", f"/{entry['id']}")).status_code == 404
    assert (await call("POST", "", figure="mrr", value=1)).status_code == 422
