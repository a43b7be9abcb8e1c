"""Guessing is limited, and no limit locks anybody out but who guesses."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Operator, RateLimit
from service.identity.cookies import cookie_name
from service.identity.totp import OneTimeCodes
from service.operators.sign_in.guessing import ACCOUNT, CODES, NETWORK
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD
from tests.operators.test_second_step import code_now, first_step, second_step

OperatorOf = Callable[[str], Awaitable[Operator]]
BrowserAt = Callable[[str], httpx2.AsyncClient]
SecondFactor = Callable[[Operator], Awaitable[tuple[OneTimeCodes, list[str]]]]
WRONG = "wrong horse battery"


async def send(
    browser: httpx2.AsyncClient, password: str, email: str = "admin@example.org"
) -> httpx2.Response:
    return await browser.post("/admin/sign-in", data={"email": email, "password": password})


async def guess(browser: httpx2.AsyncClient, times: int, email: str = "admin@example.org") -> None:
    for _ in range(times):
        await send(browser, WRONG, email)


@pytest.mark.parametrize("email", ["admin@example.org", "nobody@example.org"])
async def test_parallel_guesses_count_exactly(
    browser: httpx2.AsyncClient, operator: OperatorOf, email: str
) -> None:
    await operator("admin")
    answers = await asyncio.gather(*(send(browser, WRONG, email) for _ in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (ACCOUNT.most, 50 - ACCOUNT.most)
    limited = await send(browser, PASSWORD, email)
    assert limited.status_code == 429
    assert limited.headers["retry-after"] == "900"
    assert "Too many failed attempts. Try again in 15 minutes." in limited.text
    assert f'value="{email}"' in limited.text
    assert "set-cookie" not in limited.headers


@on_sqlite
async def test_known_and_unknown_addresses_are_limited_alike(
    browser_at: BrowserAt, operator: OperatorOf
) -> None:
    await operator("admin")
    told: list[list[tuple[int, str]]] = []
    for place, email in enumerate(["admin@example.org", "nobody@example.org"]):
        browser = browser_at(f"192.0.{place}.1")
        answers = [await send(browser, WRONG, email) for _ in range(ACCOUNT.most + 2)]
        told.append([(each.status_code, each.text.replace(email, "")) for each in answers])
    assert told[0] == told[1]


@on_sqlite
async def test_guesses_lock_the_guessers_network_alone_and_not_for_ever(
    browser_at: BrowserAt, operator: OperatorOf, clocks: MovingClocks
) -> None:
    await operator("admin")
    stranger, neighbour, elsewhere = map(browser_at, ["192.0.2.1", "192.0.2.200", "192.0.3.1"])
    await guess(stranger, ACCOUNT.most)
    assert (await send(neighbour, PASSWORD)).status_code == 429
    assert (await send(elsewhere, PASSWORD)).status_code == 303
    clocks.travel(ACCOUNT.per - timedelta(seconds=1))
    nearly = await send(neighbour, PASSWORD)
    assert (nearly.status_code, nearly.headers["retry-after"]) == (429, "1")
    assert "in 1 minute." in nearly.text
    clocks.travel(timedelta(seconds=1))
    assert (await send(neighbour, PASSWORD)).status_code == 303


@on_sqlite
async def test_guesses_from_the_same_network_dont_lock_a_browser_that_the_operator_uses(
    browser_at: BrowserAt, operator: OperatorOf, settings: Settings
) -> None:
    await operator("admin")
    known, stranger = browser_at("192.0.2.1"), browser_at("192.0.2.2")
    assert (await send(known, PASSWORD)).status_code == 303
    known.cookies.delete(cookie_name("operator", settings))
    assert cookie_name("device", settings) in known.cookies
    await guess(stranger, ACCOUNT.most + 3)
    # Nor does it help to invent a device, or to bring one that the operator never used.
    assert (await send(stranger, PASSWORD)).status_code == 429
    for value in ("v1.invented.device", browser_device(stranger, settings)):
        stranger.cookies.set(cookie_name("device", settings), value)
        assert (await send(stranger, PASSWORD)).status_code == 429
    assert (await send(known, WRONG)).status_code == 401
    assert (await send(known, PASSWORD)).status_code == 303
    # The browser itself has the same limit.
    known.cookies.delete(cookie_name("operator", settings))
    await guess(known, ACCOUNT.most)
    assert (await send(known, PASSWORD)).status_code == 429
    assert (await send(browser_at("192.0.3.1"), PASSWORD)).status_code == 303


def browser_device(browser: httpx2.AsyncClient, settings: Settings) -> str:
    return browser.cookies.get(cookie_name("device", settings)) or "v1.x.y"


@on_sqlite
async def test_a_device_is_known_for_its_own_operator_only(
    browser_at: BrowserAt, operator: OperatorOf
) -> None:
    await operator("admin")
    await operator("viewer")
    colleague = browser_at("192.0.2.1")
    assert (await send(colleague, PASSWORD, "viewer@example.org")).status_code == 303
    await guess(colleague, ACCOUNT.most)
    assert (await send(colleague, PASSWORD)).status_code == 429
    assert (await send(browser_at("192.0.2.9"), PASSWORD)).status_code == 429


@on_sqlite
async def test_a_network_has_a_limit_over_all_accounts(
    browser_at: BrowserAt, operator: OperatorOf, database: Database
) -> None:
    await operator("admin")
    stranger = browser_at("2001:db8:1:2::1")
    for place in range(NETWORK.most // ACCOUNT.most):
        await guess(stranger, ACCOUNT.most, f"n{place}@example.org")
    assert (await send(browser_at("2001:db8:1:ffff::2"), PASSWORD)).status_code == 429
    assert (await send(browser_at("2001:db8:2::1"), PASSWORD)).status_code == 303
    async with database.reading() as session:
        kept = " ".join(await session.scalars(select(RateLimit.key)))
    assert "example.org" not in kept
    assert "2001" not in kept


async def test_success_clears_the_accounts_counter_but_not_the_networks(
    browser_at: BrowserAt, operator: OperatorOf, database: Database
) -> None:
    await operator("admin")
    browser = browser_at("192.0.2.1")
    await guess(browser, ACCOUNT.most - 1)
    browser.cookies.clear()
    assert (await send(browser, PASSWORD)).status_code == 303
    browser.cookies.clear()
    await guess(browser, ACCOUNT.most - 1)
    assert (await send(browser, PASSWORD)).status_code == 303
    async with database.reading() as session:
        rows = {row.key: row.count for row in await session.scalars(select(RateLimit))}
    assert [count for key, count in rows.items() if key.startswith(NETWORK.name)] == [
        2 * (ACCOUNT.most - 1)
    ]
    assert not [key for key in rows if key.startswith(f"{ACCOUNT.name}/")]


@on_sqlite
async def test_wrong_codes_count_and_the_password_doesnt_clear_them(
    browser: httpx2.AsyncClient,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    for _ in range(ACCOUNT.most):
        password_proof = await first_step(browser)
        assert (await second_step(browser, password_proof, "000000")).status_code == 401
    limited = await second_step(browser, password_proof, code_now(codes, clocks))
    assert limited.status_code == 429
    assert "retry-after" in limited.headers
    assert re.search(r"Try again in \d+ minutes", limited.text)
    assert password_proof in limited.text
    assert (await send(browser, PASSWORD)).status_code == 429


@on_sqlite
async def test_codes_are_limited_over_all_networks_but_not_for_a_known_browser(
    browser_at: BrowserAt,
    operator: OperatorOf,
    second_factor: SecondFactor,
    clocks: MovingClocks,
    settings: Settings,
) -> None:
    codes, _ = await second_factor(await operator("admin"))
    known = browser_at("198.51.100.1")
    assert (
        await second_step(known, await first_step(known), code_now(codes, clocks))
    ).status_code == 303
    known.cookies.delete(cookie_name("operator", settings))
    password_proof = await first_step(browser_at("192.0.2.1"))
    for place in range(CODES.most):
        answer = await second_step(browser_at(f"203.0.{place}.1"), password_proof, "000000")
        assert answer.status_code == 401
    clocks.travel(timedelta(minutes=1))
    late = await second_step(browser_at("203.0.200.1"), password_proof, code_now(codes, clocks))
    assert late.status_code == 429
    answer = await second_step(known, await first_step(known), code_now(codes, clocks))
    assert answer.status_code == 303


@on_sqlite
async def test_the_clock_set_back_makes_nobody_wait_for_longer(
    browser: httpx2.AsyncClient, operator: OperatorOf, clocks: MovingClocks
) -> None:
    await operator("admin")
    await guess(browser, ACCOUNT.most)
    clocks.travel(timedelta(days=-3))
    # Another day is another name of the network: the counters of that one are empty.
    assert (await send(browser, PASSWORD)).status_code == 303
