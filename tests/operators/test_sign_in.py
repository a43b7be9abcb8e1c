"""Signing in and out, in a browser's place."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest

from service.db.session import Database
from service.db.tables import Operator
from service.identity.cookies import cookie_name
from service.identity.operators import find_operator, reset_password
from service.operators.sign_in.steps import REFUSAL
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD, csrf_in
from tests.passwords import QUICK

pytestmark = on_sqlite

OperatorOf = Callable[[str], Awaitable[Operator]]
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]


async def send(
    browser: httpx2.AsyncClient, email: str, password: str, next_page: str = ""
) -> httpx2.Response:
    form = {"email": email, "password": password, "next": next_page}
    return await browser.post("/admin/sign-in", data=form)


async def test_a_right_password_opens_the_page_that_was_asked_for(
    browser: httpx2.AsyncClient, operator: OperatorOf, settings: Settings
) -> None:
    await operator("viewer")
    wanted = "/admin?status=past_due"
    turned_away = await browser.get(wanted)
    assert turned_away.status_code == 303
    form = await browser.get(turned_away.headers["location"])
    assert f'name="next" value="{wanted}"' in form.text

    answer = await send(browser, " Viewer@Example.org", PASSWORD, wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(cookie_name("operator", settings))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await browser.get(wanted)).status_code == 200
    # Who is signed in doesn't see the form again.
    again = await browser.get("/admin/sign-in")
    assert (again.status_code, again.headers["location"]) == (303, "/admin")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("viewer@example.org", "wrong horse battery"),
        ("viewer@example.org", ""),
        ("nobody@example.org", PASSWORD),
        ("", ""),
        ("viewer@example.org\0", PASSWORD),
        pytest.param("viewer@example.org", "x" * 100_000, id="far too long"),
        ('"><script>alert(1)</script>', PASSWORD),
    ],
)
async def test_every_refusal_says_the_same_and_keeps_all_but_the_password(
    browser: httpx2.AsyncClient, operator: OperatorOf, email: str, password: str
) -> None:
    await operator("viewer")
    answer = await send(browser, email, password, "/admin?plan=digital")
    assert answer.status_code == 401
    assert REFUSAL in answer.text
    assert 'name="next" value="/admin?plan=digital"' in answer.text
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    if password:
        assert password not in answer.text
    if email.endswith("example.org"):
        assert f'value="{email}"' in answer.text


async def test_a_form_without_fields_is_a_refusal_too(browser: httpx2.AsyncClient) -> None:
    assert (await browser.post("/admin/sign-in")).status_code == 401


async def test_a_next_page_elsewhere_is_not_followed(
    browser: httpx2.AsyncClient, operator: OperatorOf
) -> None:
    await operator("viewer")
    answer = await send(browser, "viewer@example.org", PASSWORD, "//example.org/admin")
    assert answer.headers["location"] == "/admin"


async def test_a_planted_secret_never_becomes_a_session(
    browser: httpx2.AsyncClient, operator: OperatorOf, settings: Settings
) -> None:
    await operator("viewer")
    name = cookie_name("operator", settings)
    planted = {"Cookie": f"{name}=planted-by-somebody"}
    form = {"email": "viewer@example.org", "password": PASSWORD}
    answer = await browser.post("/admin/sign-in", data=form, headers=planted)
    assert answer.status_code == 303
    assert "planted-by-somebody" not in f"{answer.headers}"
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=planted)).status_code == 303


async def test_signing_in_again_ends_the_browsers_former_session(
    signed_in: SignedIn, settings: Settings
) -> None:
    browser = await signed_in("viewer")
    name = cookie_name("operator", settings)
    former = {"Cookie": f"{name}={browser.cookies[name]}"}
    assert (await send(browser, "viewer@example.org", PASSWORD)).status_code == 303
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=former)).status_code == 303


async def test_a_session_ends_by_itself(
    signed_in: SignedIn, settings: Settings, clocks: MovingClocks
) -> None:
    browser = await signed_in("viewer")
    clocks.travel(timedelta(hours=settings.operator_session_hours, seconds=-1))
    assert (await browser.get("/admin/account")).status_code == 200
    clocks.travel(timedelta(seconds=1))
    assert (await browser.get("/admin")).status_code == 303


async def test_a_new_password_ends_every_session(signed_in: SignedIn, database: Database) -> None:
    browser = await signed_in("viewer")
    async with database.transaction() as session:
        someone = await find_operator(session, "viewer@example.org")
        assert someone is not None
        await reset_password(session, someone, "another horse battery", QUICK)
    assert (await browser.get("/admin")).status_code == 303


async def test_signing_out_ends_the_session_at_the_server(
    signed_in: SignedIn, settings: Settings
) -> None:
    browser = await signed_in("viewer")
    name = cookie_name("operator", settings)
    kept = {"Cookie": f"{name}={browser.cookies[name]}"}
    csrf = csrf_in((await browser.get("/admin/account")).text)
    answer = await browser.post("/admin/sign-out", data={"csrf": csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")
    browser.cookies.clear()
    assert (await browser.get("/admin", headers=kept)).status_code == 303


async def test_a_form_that_isnt_ours_signs_nobody_out(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "ä"}):
        answer = await browser.post("/admin/sign-out", data=form)
        assert answer.status_code == 403, form
        assert "Reload the page" in answer.text, form
    assert (await browser.get("/admin/account")).status_code == 200


async def test_the_field_of_another_session_doesnt_count(
    signed_in: SignedIn, settings: Settings
) -> None:
    browser = await signed_in("viewer")
    foreign = csrf_in((await browser.get("/admin/account")).text)
    await send(browser, "viewer@example.org", PASSWORD)
    assert (await browser.post("/admin/sign-out", data={"csrf": foreign})).status_code == 403


async def test_signing_out_without_a_session_leads_to_the_form(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await browser.post("/admin/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")
