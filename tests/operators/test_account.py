"""An operator's own page: the password and the second factor."""

import re
from collections.abc import Awaitable, Callable
from html import unescape

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Operator, OperatorRecoveryCode
from service.identity.cookies import cookie_name
from service.identity.operators import open_operator_session
from service.identity.totp import OneTimeCodes, unseal
from service.operators.sign_in.guessing import ACCOUNT
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD, csrf_in
from tests.operators.test_second_step import code_now

pytestmark = on_sqlite

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
NEW = "another horse battery"


async def post(browser: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    csrf = csrf_in((await browser.get("/admin/account")).text)
    return await browser.post(f"/admin/account/{path}", data={"csrf": csrf, **fields})


async def other_session(
    database: Database, settings: Settings, clocks: MovingClocks
) -> dict[str, str]:
    """A second session of the only operator, as a header."""
    async with database.transaction() as session:
        operator = (await session.scalars(select(Operator))).one()
        secret = await open_operator_session(
            session, operator, now=clocks.wall(), settings=settings
        )
    return {"Cookie": f"{cookie_name('operator', settings)}={secret}"}


async def audited(database: Database) -> list[str]:
    async with database.reading() as session:
        rows = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    for row in rows:
        assert PASSWORD not in f"{row.before}{row.after}"
        assert NEW not in f"{row.before}{row.after}"
    return [row.action for row in rows]


async def set_up(
    browser: httpx2.AsyncClient, database: Database, settings: Settings, clocks: MovingClocks
) -> tuple[OneTimeCodes, list[str]]:
    """Switch the second factor on by the pages; the codes of the app, and the recovery codes."""
    started = await post(browser, "totp/start", present=PASSWORD)
    assert (started.status_code, started.headers["location"]) == (303, "/admin/account/totp")
    async with database.reading() as session:
        operator = (await session.scalars(select(Operator))).one()
    assert operator.totp_sealed is not None
    codes = unseal(operator.totp_sealed, operator.id, settings)
    page = unescape((await browser.get("/admin/account/totp")).text)
    assert codes.in_words() in page
    assert codes.address("viewer@example.org", settings.publication_name) in page
    assert 'src="data:image/svg+xml' in page
    assert not re.search(r"<script|<style|\sstyle=", page)
    shown = await post(browser, "totp/confirm", code=code_now(codes, clocks))
    assert shown.status_code == 200
    return codes, re.findall(r"<code>([a-z2-7-]{19})</code>", shown.text)


async def test_a_new_password_ends_the_other_sessions_only(
    signed_in: SignedIn, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    browser = await signed_in("viewer")
    other = await other_session(database, settings, clocks)
    done = await post(browser, "password", present=PASSWORD, password=NEW, again=NEW)
    assert (done.status_code, done.headers["location"]) == (303, "/admin/account?done=password")
    assert "Password changed" in (await browser.get(done.headers["location"])).text
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=other)).status_code == 303
    for password, status in ((PASSWORD, 401), (NEW, 303)):
        form = {"email": "viewer@example.org", "password": password}
        assert (await browser.post("/admin/sign-in", data=form)).status_code == status
    assert await audited(database) == ["operator.change-password", "operator.sign-in"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"present": "wrong horse battery", "password": NEW, "again": NEW}, "current password"),
        ({"present": PASSWORD, "password": NEW, "again": f"{NEW}!"}, "don’t match"),
        ({"present": PASSWORD, "password": "short", "again": "short"}, "at least 12 characters"),
        ({"present": PASSWORD, "password": "x" * 1001, "again": "x" * 1001}, "more than 1000"),
        ({"present": "x" * 100_000, "password": NEW, "again": NEW}, "current password"),
        ({}, "at least 12 characters"),
    ],
)
async def test_what_changes_no_password(
    signed_in: SignedIn, database: Database, fields: dict[str, str], told: str
) -> None:
    browser = await signed_in("viewer")
    refused = await post(browser, "password", **fields)
    assert refused.status_code == 422
    assert told in unescape(refused.text)
    assert 'role="alert"' in refused.text
    for value in fields.values():
        assert f'value="{value}"' not in refused.text
    assert await audited(database) == []


async def test_an_open_session_is_no_way_to_guess_the_password(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    wrong = {"present": "wrong horse battery", "password": NEW, "again": NEW}
    for _ in range(ACCOUNT.most):
        assert (await post(browser, "password", **wrong)).status_code == 422
    limited = await post(browser, "totp/start", present=PASSWORD)
    assert limited.status_code == 429
    assert "retry-after" in limited.headers


async def test_the_password_clears_no_count_of_wrong_codes(
    signed_in: SignedIn, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """Else a thief of session and password had as many tries at the code as they liked."""
    browser = await signed_in("viewer")
    await set_up(browser, database, settings, clocks)
    statuses = []
    for _ in range(ACCOUNT.most):
        assert (await post(browser, "totp/start", present=PASSWORD)).status_code == 422
        statuses.append((await post(browser, "totp/off", code="000000")).status_code)
        changed = {"present": PASSWORD, "password": PASSWORD, "again": PASSWORD}
        assert (await post(browser, "password", **changed)).status_code in {303, 429}
    assert statuses == [422] * ACCOUNT.most
    assert (await post(browser, "totp/off", code="000000")).status_code == 429


async def test_the_second_factor_from_set_up_to_switching_off(
    signed_in: SignedIn, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    browser = await signed_in("viewer")
    assert "Set up</button>" in (await browser.get("/admin/account")).text
    other = await other_session(database, settings, clocks)
    codes, recovery = await set_up(browser, database, settings, clocks)
    assert len(set(recovery)) == 10
    # The secret is never shown again, and what began with the password alone has ended.
    again = await browser.get("/admin/account/totp")
    assert (again.status_code, again.headers["location"]) == (303, "/admin/account")
    async with database.reading() as session:
        stored = [row.code_hash for row in await session.scalars(select(OperatorRecoveryCode))]
    assert not set(stored) & {code.replace("-", "") for code in recovery}
    # The code that confirmed is used up.
    used = await post(browser, "totp/off", code=code_now(codes, clocks))
    assert used.status_code == 422
    renewed = await post(browser, "recovery-codes", code=code_now(codes, clocks, 1))
    fresh = re.findall(r"<code>([a-z2-7-]{19})</code>", renewed.text)
    assert len(set(fresh) - set(recovery)) == 10
    assert (await post(browser, "totp/off", code=recovery[0])).status_code == 422
    off = await post(browser, "totp/off", code=fresh[0])
    assert (off.status_code, off.headers["location"]) == (303, "/admin/account?done=totp-off")
    assert "Set up</button>" in (await browser.get("/admin/account")).text
    async with database.reading() as session:
        operator = (await session.scalars(select(Operator))).one()
        assert operator.totp_sealed is None
        assert not list(await session.scalars(select(OperatorRecoveryCode)))
    assert await audited(database) == [
        "operator.switch-totp-on", "operator.renew-recovery-codes", "operator.switch-totp-off",
    ]  # fmt: skip
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=other)).status_code == 303


async def test_a_wrong_code_confirms_nothing(
    signed_in: SignedIn, database: Database, settings: Settings
) -> None:
    browser = await signed_in("viewer")
    for code in ("", "000000", "abc"):
        answer = await post(browser, "totp/confirm", code=code)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/account")
    assert (await post(browser, "totp/start", present="wrong horse")).status_code == 422
    await post(browser, "totp/start", present=PASSWORD)
    refused = await post(browser, "totp/confirm", code="000000")
    assert refused.status_code == 422
    assert "Incorrect or used code" in refused.text
    form = {"email": "viewer@example.org", "password": PASSWORD}
    assert (await browser.post("/admin/sign-in", data=form)).status_code == 303
    assert await audited(database) == ["operator.sign-in"]


async def test_what_is_on_isnt_set_up_again(
    signed_in: SignedIn, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    browser = await signed_in("viewer")
    codes, _ = await set_up(browser, database, settings, clocks)
    refused = await post(browser, "totp/start", present=PASSWORD)
    assert refused.status_code == 422
    async with database.reading() as session:
        operator = (await session.scalars(select(Operator))).one()
        assert unseal(operator.totp_sealed or "", operator.id, settings) == codes
