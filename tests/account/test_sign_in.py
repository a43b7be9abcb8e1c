"""Signing in by mail over HTTP: once, in time, in the browser that asked, as nobody else."""

from datetime import timedelta
from typing import Any

import pytest

from service.db.tables import Mail, Reader, ReaderDevice, ReaderSession, SignInAsk
from tests.account.signing import ANA, ask, by_code, confirm, refused, rows
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail, sign_in_mails


async def test_a_code_signs_in_and_makes_the_account(mailed: Paywall) -> None:
    asked = await ask(mailed, "Ana@Example.org", return_to="/articles/a?x=1")
    assert asked.status_code == 202
    assert set(asked.json()) == {"request_id", "expires_in", "device_token"}
    assert asked.json()["expires_in"] == 600
    assert "pw_device" in asked.headers["Set-Cookie"]
    assert await rows(mailed, Reader) == []
    (mail,) = await sign_in_mails(mailed.database)
    assert mail.to == ANA
    answer = await confirm(mailed, request_id=asked.json()["request_id"], code=mail.code)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "return_to"}
    assert answer.json()["return_to"] == "/articles/a?x=1"
    me = (await mailed.client.get("/v1/me")).json()
    assert (me["email"], me["email_verified"], me["grants"]) == ("Ana@example.org", True, [])


async def test_that_a_known_browser_asked_is_noted_without_the_address(mailed: Paywall) -> None:
    await ask(mailed)
    # It was here for the first time, and met no wall.
    assert await rows(mailed, SignInAsk) == []
    at = mailed.clocks.business()
    mailed.clocks.travel(timedelta(days=3))
    await by_code(mailed)
    (noted,) = await rows(mailed, SignInAsk)
    (device,) = await rows(mailed, ReaderDevice)
    assert noted.holder == f"device:{device.device_id}"
    assert noted.at - at == timedelta(days=3, milliseconds=1)


@on_sqlite
async def test_a_link_signs_in_whichever_browser_opens_it(mailed: Paywall) -> None:
    await ask(mailed)
    mail = await newest_mail(mailed.database, ANA)
    async with mailed.new_client() as phone:
        assert (await confirm(mailed, phone, token=mail.token)).status_code == 200
        assert (await phone.get("/v1/me")).json()["email"] == ANA
        assert refused(await confirm(mailed, phone, token=mail.token))
    # The code came with the link and is used up by it.
    assert (await mailed.client.get("/v1/me")).status_code == 401


@on_sqlite
async def test_a_used_code_takes_the_link_with_it(mailed: Paywall) -> None:
    await by_code(mailed)
    mail = await newest_mail(mailed.database, ANA)
    assert refused(await confirm(mailed, token=mail.token))


@on_sqlite
async def test_a_second_sign_in_finds_the_same_account(mailed: Paywall) -> None:
    await by_code(mailed)
    async with mailed.new_client() as other:
        await by_code(mailed, "ana@example.org", other)
        me = [(await each.get("/v1/me")).json()["id"] for each in (mailed.client, other)]
    assert me[0] == me[1]
    assert len(await rows(mailed, Reader)) == 1


@on_sqlite
@pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta(days=1)])
async def test_links_and_codes_end(mailed: Paywall, late: timedelta) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    mailed.clocks.travel(late)
    assert refused(await confirm(mailed, token=mail.token))
    assert refused(await confirm(mailed, request_id=asked["request_id"], code=mail.code))


@on_sqlite
async def test_they_live_to_their_last_second_and_a_clock_set_back_harms_nobody(
    mailed: Paywall,
) -> None:
    await ask(mailed)
    mail = await newest_mail(mailed.database, ANA)
    mailed.clocks.travel(timedelta(hours=-3))
    mailed.clocks.travel(timedelta(hours=3, minutes=9, seconds=59))
    assert (await confirm(mailed, token=mail.token)).status_code == 200
    mailed.clocks.travel(timedelta(hours=-3))
    assert (await mailed.client.get("/v1/me")).status_code == 200
    assert (await mailed.client.post("/v1/session/token")).status_code == 200


@on_sqlite
async def test_a_code_works_in_its_browser_only(mailed: Paywall) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    async with mailed.new_client() as stranger:
        for _ in range(6):
            request = {"request_id": asked["request_id"], "code": mail.code}
            assert refused(await confirm(mailed, stranger, **request))
        await ask(mailed, "mallory@example.org", stranger)
        assert refused(await confirm(mailed, stranger, **request))
    # Strangers' tries don't count.
    assert (await confirm(mailed, **request)).status_code == 200


@on_sqlite
async def test_the_answer_tells_nobody_whether_there_is_an_account(mailed: Paywall) -> None:
    await by_code(mailed)
    known, unknown = await ask(mailed, ANA), await ask(mailed, "nobody@example.org")
    bodies = [each.json() for each in (known, unknown)]
    for body in bodies:
        body["request_id"] = len(body["request_id"])
    assert bodies[0] == bodies[1]
    assert known.status_code == unknown.status_code == 202
    heads = [
        {k: v for k, v in each.headers.items() if k != "x-request-id"} for each in (known, unknown)
    ]
    assert heads[0] == heads[1]


@on_sqlite
@pytest.mark.parametrize("return_to", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "https://www.example.org.evil.example", "http://www.example.org/"])  # fmt: skip
async def test_nobody_is_sent_elsewhere(mailed: Paywall, return_to: str) -> None:
    answer = await ask(mailed, return_to=return_to)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-return-address")
    assert await rows(mailed, Mail) == []


@on_sqlite
async def test_a_listed_frontend_is_led_back_to(mailed: Paywall) -> None:
    asked = await ask(mailed, return_to="https://www.example.org/story")
    mail = await newest_mail(mailed.database, ANA)
    answer = await confirm(mailed, request_id=asked.json()["request_id"], code=mail.code)
    assert answer.json()["return_to"] == "https://www.example.org/story"


NO_REQUESTS: list[Any] = [
    {}, {"email": None}, {"email": ["ana@example.org"]}, {"email": {"a": 1}}, {"email": 5},
    {"email": "ana@example.org", "admin": True}, {"email": "ana@example.org", "return_to": 3},
    {"email": "a\x00na@example.org"}, {"email": "x" * 300 + "@example.org"},
    {"email": "ana@example.org\r\nBcc: all@example.org"}, {"email": '"x y"@example.org'}, [], "x",
]  # fmt: skip
NO_CONFIRMATIONS: list[Any] = [
    {}, {"token": None}, {"request_id": "x"}, {"code": "123456"}, {"token": "x", "code": "123456"},
    {"request_id": "x", "code": ["1", "2"]}, {"request_id": "x", "code": 123456},
    {"token": ["x"]}, {"token": "x", "session": "both"}, {"token": "x", "admin": True},
    {"token": "x" * 201}, {"token": "\x00"}, [], 1,
]  # fmt: skip


@on_sqlite
async def test_bad_requests_and_confirmations(mailed: Paywall) -> None:
    for body in NO_REQUESTS:
        answer = await mailed.client.post("/v1/sign-in", json=body)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.json()["type"] in {"/problems/invalid-request", "/problems/invalid-email"}
    for body in NO_CONFIRMATIONS:
        answer = await mailed.client.post("/v1/sign-in/confirm", json=body)
        told = answer.status_code, answer.json()["type"]
        assert told == (422, "/problems/invalid-request"), body
    assert await rows(mailed, Mail) == []


@on_sqlite
async def test_what_isnt_a_code_is_refused(mailed: Paywall) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    code = mail.code
    for wrong in (code[:-1], code + "0", "0" + code, "x", "ü" * 6, "１２３４５６"):
        answer = await confirm(mailed, request_id=asked["request_id"], code=wrong)
        assert refused(answer) or answer.status_code == 429
    assert await rows(mailed, ReaderSession) == []


@on_sqlite
async def test_a_code_may_be_typed_with_spaces(mailed: Paywall) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    spaced = f" {mail.code[:3]} {mail.code[3:]} "
    answer = await confirm(mailed, request_id=asked["request_id"], code=spaced)
    assert answer.status_code == 200


@on_sqlite
async def test_an_unlock_token_from_before_the_clock_was_set_back_isnt_given_out(
    mailed: Paywall,
) -> None:
    await mailed.publish("old", published_at="2026-03-01T00:00:00Z")
    await mailed.unlock("old")
    mailed.clocks.travel(timedelta(minutes=-30))
    token = (await mailed.unlock("old")).json()["token"]
    assert (await mailed.full("old", token)).status_code == 200


async def test_a_mail_asked_for_before_verifying_belongs_to_the_buyer(mailed: Paywall) -> None:
    """It is exported and erased with them, though its address may turn out to be another's."""
    reader_id = await mailed.sign_in()
    await ask(mailed)
    (mail,) = await rows(mailed, Mail)
    assert mail.reader_id == reader_id
    exported = (await mailed.client.get("/v1/me/export")).json()
    assert len(exported["mails"]) == 1
    assert (await mailed.client.request("DELETE", "/v1/me", json={})).status_code == 204
    assert ANA not in str([vars(each) for each in await rows(mailed, Mail)])
