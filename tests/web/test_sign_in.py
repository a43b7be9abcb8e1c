"""Signing in through the pages alone: the form, the mail, the link's button, the code."""

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx2
import pytest

from service.db.session import Database
from service.identity.cookies import cookie_name
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside
from tests.mailbox import newest_mail, sign_in_mails

pytestmark = on_sqlite

FORM, REQUEST, CODE = "/account/sign-in", "/account/sign-in/request", "/account/sign-in/code"
ANA = "ana@example.org"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    settings = settings.model_copy(update={"mail_from": "Gazette <hello@example.org>"})
    async with inside(database, settings, clocks) as made:
        yield made


def words(answer: httpx2.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def ask(paywall: Paywall, email: str = ANA, **form: str) -> httpx2.Response:
    return await paywall.client.post(REQUEST, data={"email": email, **form})


async def use_code(paywall: Paywall, asked: httpx2.Response, code: str) -> httpx2.Response:
    request_id = asked.headers["Location"].partition("=")[2]
    return await paywall.client.post(CODE, data={"request_id": request_id, "code": code})


async def test_a_stranger_registers_by_code_and_is_back_at_the_article(paywall: Paywall) -> None:
    await paywall.publish("ferry", access={"level": "registered"})
    walled = await paywall.client.get("/articles/ferry")
    assert "This article is for registered readers." in words(walled)
    assert f'action="{REQUEST}"' in walled.text
    assert 'name="return_to" value="/articles/ferry"' in walled.text
    assert CANARY not in walled.text

    asked = await ask(paywall, return_to="/articles/ferry")
    assert asked.status_code == 303
    shown = await paywall.client.get(asked.headers["Location"])
    assert f"We have sent an e-mail with a link and a code to {ANA} ." in words(shown)
    assert 'inputmode="numeric" autocomplete="one-time-code"' in shown.text
    mail = await newest_mail(paywall.database, ANA)
    signed_in = await use_code(paywall, asked, f" {mail.code[:3]} {mail.code[3:]} ")
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/articles/ferry")
    assert "HttpOnly" in signed_in.headers["Set-Cookie"]
    assert CANARY in (await paywall.client.get("/articles/ferry")).text


async def test_the_page_is_the_same_for_known_and_unknown_addresses(paywall: Paywall) -> None:
    asked = await ask(paywall)
    await use_code(paywall, asked, (await newest_mail(paywall.database, ANA)).code)
    answers = []
    for email in (ANA, "ben@example.org"):
        paywall.client.cookies.clear()
        asked = await ask(paywall, email)
        shown = await paywall.client.get(asked.headers["Location"])
        request_id = asked.headers["Location"].partition("=")[2]
        answers.append(shown.text.replace(request_id, "").replace(email, ""))
    assert answers[0] == answers[1]


async def test_the_address_is_shown_in_the_browser_alone_that_typed_it(paywall: Paywall) -> None:
    asked = await ask(paywall)
    paywall.client.cookies.clear()
    elsewhere = await paywall.client.get(asked.headers["Location"])
    assert elsewhere.status_code == 200
    assert ANA not in elsewhere.text
    mail = await newest_mail(paywall.database, ANA)
    refused = await use_code(paywall, asked, mail.code)
    assert refused.status_code == 403
    assert ANA not in refused.text


@pytest.mark.parametrize(
    "email", ["", "ana", "ana@", "a b@example.org", '"><script>@x', "x" * 1999]
)
async def test_what_is_no_address_is_kept_and_told(paywall: Paywall, email: str) -> None:
    answer = await ask(paywall, email, return_to="/articles/ferry")
    assert answer.status_code == 422
    assert "Enter a valid e-mail address" in words(answer)
    assert 'aria-invalid="true" aria-describedby="email-error"' in answer.text
    assert f'value="{email.replace("<", "&lt;")}"' in answer.text.replace("&#34;", '"').replace(
        "&gt;", ">"
    )
    assert 'name="return_to" value="/articles/ferry"' in answer.text
    assert "<script>@" not in answer.text
    assert await sign_in_mails(paywall.database) == []


async def test_too_many_mails_say_when_it_works_again(paywall: Paywall) -> None:
    for _ in range(paywall.settings.sign_in_mails_per_hour):
        assert (await ask(paywall)).status_code == 303
    answer = await ask(paywall)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
    assert "We have already sent several e-mails to this address." in words(answer)
    assert "Try again in an hour." in words(answer)
    assert f'value="{ANA}"' in answer.text


async def test_after_five_wrong_codes_the_page_says_to_ask_for_a_new_mail(
    paywall: Paywall,
) -> None:
    asked = await ask(paywall)
    right = (await newest_mail(paywall.database, ANA)).code
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(4):
        refused = await use_code(paywall, asked, wrong)
        assert refused.status_code == 403
        assert "This code is incorrect or has expired." in words(refused)
        assert f'value="{wrong}"' in refused.text
    last = await use_code(paywall, asked, wrong)
    assert "Request a new e-mail" in words(last)
    assert f'name="email" value="{ANA}"' in last.text
    spent = await use_code(paywall, asked, right)
    assert spent.status_code == 403
    assert "Request a new e-mail" in words(spent)


@pytest.mark.parametrize("form", [{}, {"code": "1"}, {"request_id": "sir_1"}, {"code": "١٢٣٤٥٦"}])
async def test_half_a_code_is_no_code(paywall: Paywall, form: dict[str, str]) -> None:
    answer = await paywall.client.post(CODE, data=form)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_the_link_signs_in_and_pressed_twice_leads_to_the_account(paywall: Paywall) -> None:
    await ask(paywall, return_to="/articles/ferry")
    token = (await newest_mail(paywall.database, ANA)).token
    shown = await paywall.client.get(FORM, params={"token": token})
    assert f'value="{token}"' in shown.text
    used = await paywall.client.post(FORM, data={"token": token})
    assert (used.status_code, used.headers["Location"]) == (303, "/articles/ferry")
    again = await paywall.client.post(FORM, data={"token": token})
    assert (again.status_code, again.headers["Location"]) == (303, "/account")
    paywall.client.cookies.clear()
    stranger = await paywall.client.post(FORM, data={"token": token})
    assert stranger.status_code == 410
    assert "Sign-in links work once, within ten minutes" in words(stranger)
    assert f'action="{REQUEST}"' in stranger.text
    assert ANA not in stranger.text


async def test_a_code_sent_twice_leads_to_the_account(paywall: Paywall) -> None:
    asked = await ask(paywall)
    code = (await newest_mail(paywall.database, ANA)).code
    assert (await use_code(paywall, asked, code)).status_code == 303
    again = await use_code(paywall, asked, code)
    assert (again.status_code, again.headers["Location"]) == (303, "/account")


async def test_no_address_of_the_sign_in_goes_to_another_site(paywall: Paywall) -> None:
    asked = await ask(paywall)
    for answer in (
        asked,
        await ask(paywall, "nobody"),
        await paywall.client.get(FORM),
        await paywall.client.get(f"{FORM}?token=x"),
        await paywall.client.get(asked.headers["Location"]),
        await use_code(paywall, asked, "wrong"),
        await paywall.client.post(FORM, data={"token": "x"}),
    ):
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "return_to", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "a b", ""]
)
async def test_nobody_is_led_elsewhere(paywall: Paywall, return_to: str) -> None:
    shown = await paywall.client.get(FORM, params={"return_to": return_to})
    assert 'name="return_to" value="/account"' in shown.text
    asked = await ask(paywall, return_to=return_to)
    assert asked.status_code == (422 if return_to else 303)
    assert "elsewhere" not in shown.text + asked.text


async def test_a_link_cut_off_offers_another_mail(paywall: Paywall) -> None:
    shown = await paywall.client.get(f"{FORM}?token=")
    assert "The link is incomplete." in words(shown)
    assert f'action="{REQUEST}"' in shown.text


async def test_where_nobody_can_sign_in_the_pages_say_how_to_get_in(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        await paywall.publish("ferry", access={"level": "registered"})
        for path in ("/account", FORM, "/articles/ferry", "/"):
            shown = await paywall.client.get(path)
            assert REQUEST not in shown.text
            assert f'href="{FORM}' not in shown.text
        assert "Contact us" in words(await paywall.client.get("/account"))
        assert "How to read on this device" in words(await paywall.client.get("/articles/ferry"))
        refused = await ask(paywall)
        assert refused.status_code == 503
        assert "Sign-in by e-mail is unavailable" in words(refused)
        expired = await paywall.client.post(FORM, data={"token": "x"})
        assert "Contact us for a new one" in words(expired)


async def test_a_buyer_is_asked_to_confirm_the_address_once(paywall: Paywall) -> None:
    await paywall.publish("ferry", access={"level": "subscribers"})
    await paywall.sign_in("everything")
    for path in ("/account", "/articles/ferry"):
        shown = await paywall.client.get(path)
        assert "Confirm your e-mail address to read on other devices" in words(shown)
        assert f'name="return_to" value="{path}"' in shown.text
    asked = await ask(paywall, return_to="/articles/ferry")
    await use_code(paywall, asked, (await newest_mail(paywall.database, ANA)).code)
    opened = await paywall.client.get("/articles/ferry")
    assert CANARY in opened.text
    assert "Confirm" not in words(opened)
    account = words(await paywall.client.get("/account"))
    assert f"Signed in as {ANA} Address confirmed" in account
    assert "Confirm your" not in account


async def test_an_ended_session_says_so(paywall: Paywall) -> None:
    await paywall.sign_in()
    name = cookie_name("session", paywall.settings)
    held = {"Cookie": f"{name}={paywall.client.cookies[name]}"}
    await paywall.client.post("/account/sign-out")
    shown = await paywall.client.get("/account", headers=held)
    assert "You are no longer signed in." in words(shown)
    assert f'{name}=""' in shown.headers["Set-Cookie"]
