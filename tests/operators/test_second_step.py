"""The second step of signing in: one-time codes and recovery codes, each used once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AuditEntry, Operator, OperatorSession
from service.identity.cookies import cookie_name
from service.identity.operators import find_operator, reset_password
from service.identity.passwords import ARGON2ID
from service.identity.totp import STEP_SECONDS, OneTimeCodes
from service.operators.sign_in.password_proof import LASTS
from service.operators.sign_in.steps import CODE_REFUSAL, OVER, REFUSAL
from service.running import RunningApp
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD
from tests.passwords import QUICK
from tests.running import exchange

OperatorOf = Callable[[str], Awaitable[Operator]]
SecondFactor = Callable[[Operator], Awaitable[tuple[OneTimeCodes, list[str]]]]
BrowserAt = Callable[[str], httpx2.AsyncClient]


async def first_step(browser: httpx2.AsyncClient, next_page: str = "/admin") -> str:
    """Send the right password; the value of the form that asks for the code."""
    form = {"email": "admin@example.org", "password": PASSWORD, "next": next_page}
    answer = await browser.post("/admin/sign-in", data=form)
    assert answer.status_code == 200, answer.text
    assert "set-cookie" not in answer.headers
    found = re.search(r'name="password_proof" value="([^"]+)"', answer.text)
    assert found is not None
    assert f'name="next" value="{next_page}"' in answer.text
    return found[1]


async def second_step(
    browser: httpx2.AsyncClient, password_proof: str, code: str, field: str = "code"
) -> httpx2.Response:
    form = {"password_proof": password_proof, field: code, "next": "/admin/account"}
    return await browser.post("/admin/sign-in/code", data=form)


def code_now(codes: OneTimeCodes, clocks: MovingClocks, steps: int = 0) -> str:
    return codes.code_at(int(clocks.wall().timestamp()) // STEP_SECONDS + steps)


async def sessions(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(OperatorSession)) or 0


@on_sqlite
async def test_the_password_alone_opens_nothing(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    database: Database,
    clocks: MovingClocks,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    password_proof = await first_step(browser)
    assert await sessions(database) == 0
    assert (await browser.get("/admin")).status_code == 303
    answer = await second_step(browser, password_proof, code_now(codes, clocks))
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/account")
    assert "On since" in (await browser.get("/admin/account")).text
    async with database.reading() as session:
        entry = await session.scalar(select(AuditEntry))
        assert entry is not None
        assert (entry.action, entry.after) == (
            "operator.sign-in", {"second_factor": "one-time-code"},
        )  # fmt: skip


@on_sqlite
async def test_a_code_of_one_step_signs_in_once(
    browser_at: BrowserAt, operator: OperatorOf, second_factor: SecondFactor, clocks: MovingClocks
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    first, second = browser_at("192.0.2.1"), browser_at("192.0.2.2")
    code = code_now(codes, clocks)
    assert (await second_step(first, await first_step(first), code)).status_code == 303
    password_proof = await first_step(second)
    for former in (code, code_now(codes, clocks, -1)):
        refused = await second_step(second, password_proof, former)
        assert refused.status_code == 401
        assert CODE_REFUSAL in refused.text
        assert password_proof in refused.text
    clocks.travel(timedelta(seconds=STEP_SECONDS))
    assert (await second_step(second, password_proof, code_now(codes, clocks))).status_code == 303


@on_sqlite
async def test_a_clock_that_is_set_back_brings_no_code_back(
    browser_at: BrowserAt, operator: OperatorOf, second_factor: SecondFactor, clocks: MovingClocks
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    browser = browser_at("192.0.2.1")
    code = code_now(codes, clocks)
    assert (await second_step(browser, await first_step(browser), code)).status_code == 303
    ahead = await first_step(browser_at("192.0.2.2"))
    clocks.travel(timedelta(minutes=-20))
    for value in (code, code_now(codes, clocks)):
        other = browser_at("192.0.2.3")
        assert (await second_step(other, await first_step(other), value)).status_code == 401
    # A form made before the clock was set back isn't good for longer by that.
    over = await second_step(browser_at("192.0.2.2"), ahead, code)
    assert OVER in over.text


@pytest.mark.parametrize("kind", ["one-time", "recovery"])
async def test_of_parallel_uses_of_one_code_exactly_one_succeeds(
    browser_at: BrowserAt,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
    database: Database,
    kind: str,
) -> None:
    codes, recovery = await second_factor(await operator("admin"))
    code = code_now(codes, clocks) if kind == "one-time" else recovery[3]
    browsers = [browser_at(f"192.0.{n}.1") for n in range(8)]
    proofs = [await first_step(browser) for browser in browsers]
    answers = await asyncio.gather(
        *(second_step(*pair, code) for pair in zip(browsers, proofs, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 7
    assert await sessions(database) == 1


@on_sqlite
async def test_a_recovery_code_signs_in_once_however_it_is_spelled(
    browser: httpx2.AsyncClient, operator: OperatorOf, second_factor: SecondFactor
) -> None:
    _, recovery = await second_factor(await operator("admin"))
    assert len(set(recovery)) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in recovery)
    spelled = f" {recovery[0].replace('-', ' ').upper()} "
    password_proof = await first_step(browser)
    answer = await second_step(browser, password_proof, spelled, "recovery_code")
    assert answer.status_code == 303
    assert "9 recovery codes left" in (await browser.get("/admin/account")).text
    browser.cookies.clear()
    password_proof = await first_step(browser)
    assert (
        await second_step(browser, password_proof, recovery[0], "recovery_code")
    ).status_code == 401
    assert (await second_step(browser, password_proof, recovery[1])).status_code == 303


@on_sqlite
async def test_nobody_elses_recovery_code_counts(
    browser: httpx2.AsyncClient, operator: OperatorOf, second_factor: SecondFactor
) -> None:
    await second_factor(await operator("admin"))
    _, others = await second_factor(await operator("viewer"))
    password_proof = await first_step(browser)
    assert (await second_step(browser, password_proof, others[0])).status_code == 401


CODES = ["", "000000", "12345", "１２３４５６", "abcd", "a" * 100_000, "[]", "\0" * 6, "'--", "aaaa-aaaa-aaaa-aaaa"]  # fmt: skip


@on_sqlite
async def test_odd_codes_are_wrong_codes(
    browser_at: BrowserAt, operator: OperatorOf, second_factor: SecondFactor
) -> None:
    await second_factor(await operator("admin"))
    password_proof = await first_step(browser_at("192.0.2.1"))
    for place, code in enumerate(CODES):
        answer = await second_step(browser_at(f"192.0.{place}.1"), password_proof, code)
        assert answer.status_code == 401, code[:20]
        assert CODE_REFUSAL in answer.text


@on_sqlite
async def test_the_password_proof_is_ours_and_short_lived(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    other = await operator("viewer")
    password_proof = await first_step(browser)
    version, owner, ends_at, signature = password_proof.split(".")
    for forged in [
        "", "x", f"{password_proof}x", f"{version}.{owner}.{int(ends_at) + 1}.{signature}",
        f"{version}.{other.id}.{ends_at}.{signature}", f"{version}.opr_{'0' * 24}.{ends_at}.{signature}",
        f"{version}.{owner}.{ends_at}.{'0' * 64}", password_proof.replace("v1", "v2"),
    ]:  # fmt: skip
        answer = await second_step(browser, forged, code_now(codes, clocks))
        assert answer.status_code == 401, forged
        assert OVER in answer.text
        assert 'action="/admin/sign-in"' in answer.text
    clocks.travel(LASTS)
    late = await second_step(browser, password_proof, code_now(codes, clocks))
    assert OVER in late.text


@on_sqlite
async def test_a_new_password_or_a_disabled_account_ends_the_password_proof(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
    database: Database,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    password_proof = await first_step(browser)
    async with database.transaction() as session:
        someone = await find_operator(session, "admin@example.org")
        assert someone is not None
        someone.disabled_at = clocks.wall()
    refused = await second_step(browser, password_proof, code_now(codes, clocks))
    assert (refused.status_code, OVER in refused.text) == (401, True)
    async with database.transaction() as session:
        someone = await find_operator(session, "admin@example.org")
        assert someone is not None
        someone.disabled_at = None
        await reset_password(session, someone, "another horse battery", QUICK)
    refused = await second_step(browser, password_proof, code_now(codes, clocks))
    assert (refused.status_code, OVER in refused.text) == (401, True)


@on_sqlite
async def test_a_disabled_operator_is_answered_like_an_unknown_one(
    browser: httpx2.AsyncClient, operator: OperatorOf, database: Database, clocks: MovingClocks
) -> None:
    someone = await operator("admin")
    async with database.transaction() as session:
        (await session.get_one(Operator, someone.id)).disabled_at = clocks.wall()
    form = {"email": "admin@example.org", "password": PASSWORD}
    disabled = await browser.post("/admin/sign-in", data=form)
    unknown = await browser.post("/admin/sign-in", data={**form, "email": "admin@example.net"})
    assert (disabled.status_code, REFUSAL in disabled.text) == (401, True)
    assert disabled.text.replace("example.org", "example.net") == unknown.text


@on_sqlite
async def test_a_planted_secret_survives_neither_step(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
    settings: Settings,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    planted = {"Cookie": f"{cookie_name('operator', settings)}=planted-by-somebody"}
    password_proof = await first_step(browser)
    form = {"password_proof": password_proof, "code": code_now(codes, clocks)}
    answer = await browser.post("/admin/sign-in/code", data=form, headers=planted)
    assert answer.status_code == 303
    assert "planted" not in f"{answer.headers}"
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=planted)).status_code == 303


@on_sqlite
async def test_an_old_hash_is_made_anew_at_sign_in(
    app: RunningApp, browser: httpx2.AsyncClient, operator: OperatorOf, database: Database
) -> None:
    exchange(app, ARGON2ID)
    someone = await operator("admin")
    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    async with database.transaction() as session:
        (await session.get_one(Operator, someone.id)).password_hash = weak
    for password, status in (("wrong horse battery", 401), (PASSWORD, 303)):
        form = {"email": "admin@example.org", "password": password}
        assert (await browser.post("/admin/sign-in", data=form)).status_code == status
    async with database.reading() as session:
        stored = (await session.get_one(Operator, someone.id)).password_hash
    assert stored != weak
    assert stored.startswith("$argon2id$")
    assert not PasswordHasher().check_needs_rehash(stored)


@on_sqlite
async def test_without_the_former_master_secret_recovery_codes_still_sign_in(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
    database: Database,
) -> None:
    someone = await operator("admin")
    codes, recovery = await second_factor(someone)
    async with database.transaction() as session:
        (await session.get_one(Operator, someone.id)).totp_sealed = "sealed-by-another-key"
    password_proof = await first_step(browser)
    assert (await second_step(browser, password_proof, code_now(codes, clocks))).status_code == 401
    assert (await second_step(browser, password_proof, recovery[0])).status_code == 303
