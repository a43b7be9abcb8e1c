"""A form whose session has ended comes back filled after signing in again."""

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2
import pytest
from sqlalchemy import delete, select

from service.db.session import Database
from service.db.tables import ExchangeRate, Operator, OperatorSession
from service.identity.cookies import CookieName, cookie_name
from service.operators.frame.kept_form import LASTS, LONGEST
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD, csrf_in, seen_in
from tests.operators.test_second_step import SecondFactor, code_now

pytestmark = on_sqlite
RATES = "/admin/exchange-rates"
TYPED = {"currency": "CHF", "into": "EUR", "rate": "1.05", "day": "2026-01-01"}
OperatorOf = Callable[[str], Awaitable[Operator]]
KEPT = re.compile(r'name="kept" value="([^"]+)"')
FIELD = re.compile(r'<input [^>]*name="(\w+)" value="([^"]*)"')


@pytest.fixture
async def csrf(browser: httpx2.AsyncClient, operator: OperatorOf, database: Database) -> str:
    """Of a page that the browser has open; its session has ended."""
    await operator("billing")
    await sign_in(browser)
    field = csrf_in((await browser.get(RATES)).text)
    await end_sessions(database)
    return field


async def end_sessions(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(delete(OperatorSession))


async def send(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str, path: str = RATES, **fields: str
) -> httpx2.Response:
    """As a browser does from a page of ours."""
    origin = {"Origin": settings.public_url}
    data = {"csrf": csrf, "seen": "", **TYPED, **fields}
    return await browser.post(path, data=data, headers=origin)


async def sign_in(
    browser: httpx2.AsyncClient, kept: str = "", role: str = "billing"
) -> httpx2.Response:
    form = {"email": f"{role}@example.org", "password": PASSWORD, "next": "/admin", "kept": kept}
    return await browser.post("/admin/sign-in", data=form)


def kept_in(page: str) -> str:
    found = KEPT.search(page)
    assert found is not None
    return found[1]


async def test_what_was_typed_comes_back_and_is_sent(
    browser: httpx2.AsyncClient, operator: OperatorOf, settings: Settings, database: Database
) -> None:
    await operator("billing")
    signed_in = await sign_in(browser)
    lasts = re.search(r"pw_operator=\S+ .*?Max-Age=(\d+)", signed_in.headers["set-cookie"])
    assert lasts is not None
    assert int(lasts[1]) > settings.operator_session_hours * 3600
    page = (await browser.get(RATES)).text
    seen = seen_in(page, RATES)
    await end_sessions(database)
    asked = await send(browser, settings, csrf_in(page), seen=seen)
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
    assert fields == {"csrf": fields["csrf"], "seen": seen, **TYPED}
    sent = await browser.post(RATES, data=fields)
    assert (sent.status_code, sent.headers["location"]) == (303, RATES)
    async with database.reading() as session:
        assert list(await session.scalars(select(ExchangeRate.rate))) == ["1.05"]


async def test_a_refund_comes_back_with_all_that_it_needs(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str
) -> None:
    """What must be said again is asked for again, and not taken from before."""
    again = {"sure": "yes", "password": "old secret", "code": "123456"}
    asked = await send(browser, settings, csrf, "/admin/subscribers/rdr_1/refund", **again)
    page = (await sign_in(browser, kept_in(asked.text))).text
    assert re.search(r'<input type="checkbox" id="\w+" name="sure" value="yes" required>', page)
    assert re.search(r'name="password" type="password" autocomplete="off" required>', page)
    assert re.search(r'name="code" type="text" autocomplete="off" required>', page)
    assert "checked" not in page
    assert "old secret" not in page
    assert "123456" not in page


async def test_it_passes_the_second_step(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
) -> None:
    someone = await operator("billing")
    await sign_in(browser)
    csrf = csrf_in((await browser.get(RATES)).text)
    await end_sessions(database)
    codes, _ = await second_factor(someone)
    step = await sign_in(browser, kept_in((await send(browser, settings, csrf)).text))
    proof = re.search(r'name="password_proof" value="([^"]+)"', step.text)
    assert proof is not None
    code = {"password_proof": proof[1], "code": code_now(codes, clocks), "kept": kept_in(step.text)}
    back = await browser.post("/admin/sign-in/code", data=code)
    assert 'name="rate" value="1.05"' in back.text


async def test_lines_and_markup_come_back_as_they_were(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str
) -> None:
    asked = await send(browser, settings, csrf, rate='<b>"1"</b>\r\n2')
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
        # No page of ours has sent it.
        (RATES, {"csrf": "0" * 64}),
    ],
)  # fmt: skip
async def test_what_isnt_kept(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str, path: str, fields: dict[str, str]
) -> None:
    answer = await send(browser, settings, **{"csrf": csrf, "path": path, **fields})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


@pytest.mark.parametrize("lost", ["operator", "device"])
async def test_a_browser_that_nobody_signed_in_with_keeps_nothing(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str, lost: CookieName
) -> None:
    browser.cookies.delete(cookie_name(lost, settings))
    answer = await send(browser, settings, csrf)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


async def test_what_is_too_long_is_said_to_be_lost(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str
) -> None:
    answer = await send(browser, settings, csrf, rate=secrets.token_hex(LONGEST // 2))
    assert answer.status_code == 401
    assert "what you entered is too long to be kept" in answer.text
    assert KEPT.search(answer.text) is None


async def test_nobody_else_and_no_other_browser_gets_it(
    browser: httpx2.AsyncClient,
    browser_at: Callable[[str], httpx2.AsyncClient],
    operator: OperatorOf,
    settings: Settings,
    csrf: str,
) -> None:
    await operator("admin")
    kept = kept_in((await send(browser, settings, csrf)).text)
    elsewhere = await sign_in(browser_at("203.0.113.9"), kept)
    assert (elsewhere.status_code, elsewhere.headers["location"]) == (303, "/admin")
    another = await sign_in(browser, kept, "admin")
    assert (another.status_code, another.headers["location"]) == (303, "/admin")
    assert (await sign_in(browser, kept)).status_code == 200


@pytest.mark.parametrize("origin", ["https://other.example", "null", None])
async def test_no_other_site_fills_a_form(
    browser: httpx2.AsyncClient, csrf: str, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = await browser.post(RATES, data={"csrf": csrf, **TYPED}, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


@pytest.mark.parametrize("change", ["other", "over", "early", "nonsense"])
async def test_only_what_we_signed_comes_back_within_an_hour(
    browser: httpx2.AsyncClient, settings: Settings, csrf: str, clocks: MovingClocks, change: str
) -> None:
    kept = kept_in((await send(browser, settings, csrf)).text)
    if change == "other":
        kept = f"9{kept[1:]}" if kept[0] != "9" else f"8{kept[1:]}"
    if change == "nonsense":
        kept = "ü.x"
    clocks.travel({"over": LASTS, "early": -timedelta(seconds=1)}.get(change, timedelta()))
    answer = await sign_in(browser, kept)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
