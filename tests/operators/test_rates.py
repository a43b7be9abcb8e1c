"""Exchange rates: the page, the API, and the totals that come of them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry
from service.operators.week import read_week
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.operators.conftest import csrf_in, seen_in
from tests.reports import rows
from tests.reports.rows import NOW

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
TYPED = {"currency": "chf", "into": "EUR", "rate": "1,05", "day": "2026-01-01"}
pytestmark = on_sqlite


async def send(browser: httpx2.AsyncClient, path: str, **form: Any) -> httpx2.Response:
    here = f"/admin/exchange-rates{path}"
    csrf = csrf_in((await browser.get("/admin/account")).text)
    seen = seen_in((await browser.get("/admin/exchange-rates")).text, here)
    return await browser.post(here, data={"csrf": csrf, "seen": seen, **form})


async def test_a_rate_makes_a_total(
    signed_in: SignedIn, store: Store, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """9.00 CHF at 1.05 and 9.00 EUR: 9.45 + 9.00 = 18.45 EUR, also on the first page and in the mail."""
    reader, offers = rows.reader(), [rows.offer(currency=each) for each in ("EUR", "CHF")]
    bought = [rows.subscription(reader, each) for each in offers]
    await store(reader, *offers, *bought, *(rows.movement(each, 1, NOW) for each in bought))
    browser = await signed_in("billing")
    assert 'id="together"' not in (await browser.get("/admin/reports/mrr")).text
    assert (await send(browser, "", **TYPED)).status_code == 303
    page = (await browser.get("/admin/exchange-rates")).text
    assert "1 CHF is 1.05 EUR" in page
    for shown in ("/admin/reports/mrr", "/admin"):
        assert "€18.45" in (await browser.get(shown)).text
    week = await read_week(Context(settings, clocks, database), NOW.date() + timedelta(days=7))
    totals = {(e.currency, e.is_total): e.value for e in week.rows if e.name == "mrr all"}
    assert totals == {("CHF", False): "CHF9.00", ("EUR", False): "€9.00", ("EUR", True): "€18.45"}
    assert (await send(browser, "/delete", **TYPED)).status_code == 303
    assert "No exchange rates yet" in (await browser.get("/admin/exchange-rates")).text
    async with database.reading() as session:
        found = select(AuditEntry.action, AuditEntry.target, AuditEntry.after)
        assert (await session.execute(found.order_by(AuditEntry.id))).all()[-2:] == [
            ("exchange-rate.enter", "CHF-EUR 2026-01-01", {"rate": "1.05"}),
            ("exchange-rate.delete", "CHF-EUR 2026-01-01", None),
        ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"rate": "0"}, "Send more than 0"), ({"rate": "much"}, "Rate: "),
        ({"rate": "1.0000000000001"}, "after the point. Send at most 12"), ({"into": "CHF"}, "two currencies"),
        ({"currency": "Franc"}, "From currency: "), ({"into": "zzz"}, "no ISO 4217 code"), ({"day": "1999-12-31"}, "Valid from: "),
    ],
)  # fmt: skip
async def test_what_is_no_rate(signed_in: SignedIn, fields: dict[str, str], told: str) -> None:
    answer = await send(await signed_in("billing"), "", **{**TYPED, **fields})
    assert (answer.status_code, told in answer.text) == (422, True)


@pytest.mark.parametrize("fields", [{}, {"day": "yesterday"}, {"currency": "CHF", "into": "CHF"}])
async def test_what_cant_be_deleted(signed_in: SignedIn, fields: dict[str, str]) -> None:
    answer = await send(await signed_in("billing"), "/delete", **fields)
    assert answer.status_code == 422


async def test_over_the_api(paywall: Paywall) -> None:
    async def call(method: str, path: str, **body: Any) -> httpx2.Response:
        return await paywall.client.request(
            method, f"/v1/admin/exchange-rates{path}", headers=paywall.staff, json=body or None
        )

    given = {"currency": "CHF", "into": "EUR", "day": "2026-01-01"}
    assert (await call("POST", "", **given, rate="1.05")).status_code == 201
    again = await call("POST", "", **given, rate="1.06")
    assert (again.status_code, again.json()["rate"]) == (201, "1.06")
    assert (await call("GET", "")).json()["items"] == [again.json()]
    report = await paywall.client.get("/v1/admin/reports/mrr", headers=paywall.staff)
    assert report.json()["converted"] == []
    assert (await call("DELETE", "/CHF/EUR/2026-01-01")).status_code == 204
    assert (await call("DELETE", "/CHF/EUR/2026-01-01")).status_code == 404
    assert (await call("POST", "", **{**given, "into": "CHF"}, rate="1")).status_code == 422
