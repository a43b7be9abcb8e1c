"""The account's devices and data: each signed out by itself, and the account erased."""

import re
from datetime import timedelta
from html import unescape

import httpx2
import pytest

from service.db.tables import Reader
from service.identity.cookies import cookie_name
from service.identity.sessions import open_session
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW
from tests.web.conftest import Newspaper

pytestmark = on_sqlite


def words(answer: httpx2.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def another(newspaper: Newspaper, reader_id: str, label: str) -> tuple[str, str]:
    """A session of the reader's on another device: its id and its token."""
    async with newspaper.database.transaction() as session:
        opened = await open_session(
            session, reader_id=reader_id, now=newspaper.clocks.wall(),
            settings=newspaper.settings, label=label,
        )  # fmt: skip
    return opened.id, opened.token


async def signed_in(newspaper: Newspaper) -> str:
    reader = rows.reader(
        email="ana@example.org", email_key="ana@example.org", verified_key="ana@example.org",
        email_verified_at=NOW,
    )  # fmt: skip
    await newspaper.store(reader)
    await newspaper.sign_in(reader.id)
    return str(reader.id)


async def is_live(newspaper: Newspaper, token: str) -> bool:
    cookie = {"Cookie": f"{cookie_name('session', newspaper.settings)}={token}"}
    newspaper.browser.cookies.clear()
    shown = await newspaper.browser.get("/account", headers=cookie)
    return "<h1>Your account</h1>" in shown.text


async def test_devices_are_listed_with_this_one_first(newspaper: Newspaper) -> None:
    reader_id = await signed_in(newspaper)
    newspaper.clocks.travel(timedelta(days=-1))
    await another(newspaper, reader_id, "Firefox on Linux")
    newspaper.clocks.travel(timedelta(days=-10))
    await another(newspaper, reader_id, "App on iPhone")
    newspaper.clocks.travel(timedelta(days=11))
    shown = await newspaper.browser.get("/account")
    listed = words(shown).partition("Signed-in devices ")[2]
    assert listed.startswith(
        "Browser This device Last used today Sign out "
        "Firefox on Linux Last used yesterday Sign out "
        "App on iPhone Last used on 27 February 2026 Sign out Sign out everywhere"
    )
    assert 'href="/v1/me/export" download' in shown.text


async def test_another_device_is_signed_out_and_this_one_stays(newspaper: Newspaper) -> None:
    reader_id = await signed_in(newspaper)
    device, token = await another(newspaper, reader_id, "Firefox on Linux")
    for _ in range(2):  # safe to repeat
        answer = await newspaper.browser.post("/account/sign-out", data={"device": device})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert "set-cookie" not in answer.headers
    shown = words(await newspaper.browser.get("/account"))
    assert "Firefox on Linux" not in shown
    assert "Sign out everywhere" not in shown
    assert not await is_live(newspaper, token)


async def test_nobody_signs_out_somebody_else(newspaper: Newspaper) -> None:
    other = rows.reader()
    await newspaper.store(other)
    device, token = await another(newspaper, other.id, "Firefox on Linux")
    for form in ({"device": device}, {"device": "ses_none"}):
        await newspaper.browser.post("/account/sign-out", data=form)
    await signed_in(newspaper)
    await newspaper.browser.post("/account/sign-out", data={"device": device})
    assert await is_live(newspaper, token)


async def test_signing_out_everywhere_ends_all(newspaper: Newspaper) -> None:
    reader_id = await signed_in(newspaper)
    _, token = await another(newspaper, reader_id, "Firefox on Linux")
    answer = await newspaper.browser.post("/account/sign-out/everywhere")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert "Read everything" in words(await newspaper.browser.get("/account"))
    assert not await is_live(newspaper, token)


async def test_erasing_tells_first_and_asks_about_a_running_subscription(
    newspaper: Newspaper,
) -> None:
    await newspaper.subscriber()
    told = await newspaper.browser.get("/account/erase")
    assert "What we delete" in words(told)
    assert "Cancel my subscription “Digital, monthly” now." in words(told)
    kept = await newspaper.browser.post("/account/erase")
    assert kept.status_code == 409
    assert "You still have an active subscription." in words(kept)
    assert "ana@example.org" in words(await newspaper.browser.get("/account"))


async def test_an_erased_reader_is_gone_and_signed_out(newspaper: Newspaper) -> None:
    reader_id = await signed_in(newspaper)
    told = words(await newspaper.browser.get("/account/erase"))
    assert "Cancel my subscription" not in told
    answer = await newspaper.browser.post("/account/erase")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/erased")
    assert list(newspaper.browser.cookies) == []
    assert "Your account has been deleted" in words(await newspaper.browser.get("/account/erased"))
    async with newspaper.database.reading() as session:
        reader = await session.get(Reader, reader_id)
    assert reader is not None
    assert (reader.email, reader.erased_at is None) == (None, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_erasing_needs_a_session(newspaper: Newspaper, method: str) -> None:
    answer = await newspaper.browser.request(method, "/account/erase")
    assert answer.status_code == 401
    assert "You aren’t signed in" in words(answer)
