"""A form whose session has ended comes back filled after signing in again."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import ExchangeRate, Operator
from service.operators.frame.kept_form import LASTS, LONGEST
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD, seen_in
from tests.operators.test_second_step import SecondFactor, code_now

pytestmark = on_sqlite
RATES = "/admin/exchange-rates"
TYPED = {
    "csrf": "0" * 64, "seen": "", "currency": "CHF", "into": "EUR", "rate": "1.05",
    "day": "2026-01-01",
}  # fmt: skip
OperatorOf = Callable[[str], Awaitable[Operator]]
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
KEPT = re.compile(r'name="kept" value="([^"]+)"')
FIELD = re.compile(r'<input [^>]*name="(\w+)" value="([^"]*)"')


async def send(
    browser: httpx2.AsyncClient, settings: Settings, path: str = RATES, **fields: str
) -> httpx2.Response:
    """As a browser does from a page of ours."""
    origin = {"Origin": settings.public_url}
    return await browser.post(path, data={**TYPED, **fields}, headers=origin)


async def sign_in(browser: httpx2.AsyncClient, kept: str, role: str = "billing") -> httpx2.Response:
    form = {"email": f"{role}@example.org", "password": PASSWORD, "next": "/admin", "kept": kept}
    return await browser.post("/admin/sign-in", data=form)


def kept_in(page: str) -> str:
    found = KEPT.search(page)
    assert found is not None
    return found[1]


async def test_what_was_typed_comes_back_and_is_sent(
    signed_in: SignedIn, settings: Settings, database: Database
) -> None:
    browser = await signed_in("billing")
    seen = seen_in((await browser.get(RATES)).text, RATES)
    browser.cookies.clear()
    asked = await send(browser, settings, seen=seen)
    assert asked.status_code == 401
    assert "Your session has ended" in asked.text
    wrong = {"email": "billing@example.org", "password": "wrong", "kept": kept_in(asked.text)}
    refused = await browser.post("/admin/sign-in", data=wrong)
    back = await sign_in(browser, kept_in(refused.text))
    assert back.status_code == 200
    assert "<dd>Exchange rates</dd>" in back.text
    form = re.search(
        rf'<form class="panel" method="post" action="{RATES}">.*?</form>', back.text, re.DOTALL
    )
    assert form is not None
    fields = {name: unescape(value) for name, value in FIELD.findall(form[0])}
    assert fields == {**TYPED, "csrf": fields["csrf"], "seen": seen}
    sent = await browser.post(RATES, data=fields)
    assert (sent.status_code, sent.headers["location"]) == (303, RATES)
    async with database.reading() as session:
        assert list(await session.scalars(select(ExchangeRate.rate))) == ["1.05"]


async def test_it_passes_the_second_step(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    settings: Settings,
    clocks: MovingClocks,
) -> None:
    codes, _ = await second_factor(await operator("billing"))
    step = await sign_in(browser, kept_in((await send(browser, settings)).text))
    proof = re.search(r'name="password_proof" value="([^"]+)"', step.text)
    assert proof is not None
    code = {"password_proof": proof[1], "code": code_now(codes, clocks), "kept": kept_in(step.text)}
    back = await browser.post("/admin/sign-in/code", data=code)
    assert 'name="rate" value="1.05"' in back.text


async def test_lines_and_markup_come_back_as_they_were(
    browser: httpx2.AsyncClient, operator: OperatorOf, settings: Settings
) -> None:
    await operator("billing")
    asked = await send(browser, settings, rate='<b>"1"</b>\r\n2')
    page = (await sign_in(browser, kept_in(asked.text))).text
    assert 'name="rate" rows="6">\n&lt;b&gt;&#34;1&#34;&lt;/b&gt;\r\n2</textarea>' in page


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        # Nothing was typed; what was typed is passwords.
        (RATES, {"currency": "", "into": "", "rate": "", "day": ""}),
        ("/admin/account/password", {
            "present": "old secret", "password": "new secret", "again": "new secret",
            "currency": "", "into": "", "rate": "", "day": "",
        }),
        # It is too long to travel.
        (RATES, {"rate": "9" * LONGEST}),
    ],
)  # fmt: skip
async def test_what_isnt_kept(
    browser: httpx2.AsyncClient, settings: Settings, path: str, fields: dict[str, str]
) -> None:
    answer = await send(browser, settings, path, **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


@pytest.mark.parametrize("origin", ["https://other.example", "null", None])
async def test_no_other_site_fills_a_form(browser: httpx2.AsyncClient, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = await browser.post(RATES, data=TYPED, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


@pytest.mark.parametrize("change", ["other", "over", "early", "nonsense"])
async def test_only_what_we_signed_comes_back_within_an_hour(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    settings: Settings,
    clocks: MovingClocks,
    change: str,
) -> None:
    await operator("billing")
    kept = kept_in((await send(browser, settings)).text)
    if change == "other":
        kept = f"9{kept[1:]}" if kept[0] != "9" else f"8{kept[1:]}"
    if change == "nonsense":
        kept = "ü.x"
    clocks.travel({"over": LASTS, "early": -timedelta(seconds=1)}.get(change, timedelta()))
    answer = await sign_in(browser, kept)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
