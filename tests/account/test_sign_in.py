"""Signing in by mail over HTTP: once, in time, in the browser that asked, as nobody else."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.tables import Mail, Reader, ReaderSession
from tests.account.visitor import client_of
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail, sign_in_mails

ANA = "ana@example.org"


async def ask(
    paywall: Paywall, email: str = ANA, client: httpx2.AsyncClient | None = None, **fields: Any
) -> httpx2.Response:
    paywall.clocks.travel(timedelta(milliseconds=1))  # so that one mail is the newest
    return await (client or paywall.client).post("/v1/sign-in", json={"email": email, **fields})


async def confirm(
    paywall: Paywall, client: httpx2.AsyncClient | None = None, **fields: Any
) -> httpx2.Response:
    return await (client or paywall.client).post("/v1/sign-in/confirm", json=fields)


async def by_code(
    paywall: Paywall, email: str = ANA, client: httpx2.AsyncClient | None = None, **fields: Any
) -> dict[str, Any]:
    """Signed in by a code; the answer."""
    asked = await ask(paywall, email, client)
    assert asked.status_code == 202, asked.text
    mail = await newest_mail(paywall.database, email)
    answer = await confirm(
        paywall, client, request_id=asked.json()["request_id"], code=mail.code, **fields
    )
    assert answer.status_code == 200, answer.text
    signed_in: dict[str, Any] = answer.json()
    return signed_in


async def rows(paywall: Paywall, table: type[Any]) -> list[Any]:
    async with paywall.database.reading() as session:
        return list(await session.scalars(select(table)))


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["type"]) == (403, "/problems/sign-in-refused")


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
async def test_five_tries_a_code(mailed: Paywall) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    wrong = f"{(int(mail.code) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert refused(await confirm(mailed, request_id=asked["request_id"], code=wrong))
    assert refused(await confirm(mailed, request_id=asked["request_id"], code=mail.code))
    # The link can't be guessed, so it works on.
    assert (await confirm(mailed, token=mail.token)).status_code == 200


@on_sqlite
async def test_ten_codes_an_hour_and_account_however_many_requests(mailed: Paywall) -> None:
    tried = 0
    for _ in range(2):
        async with mailed.new_client() as client:
            asked = (await ask(mailed, ANA, client)).json()
            mail = await newest_mail(mailed.database, ANA)
            wrong = f"{(int(mail.code) + 1) % 1_000_000:06}"
            for _ in range(5):
                answer = await confirm(mailed, client, request_id=asked["request_id"], code=wrong)
                tried += 1
                assert refused(answer), tried
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    limited = await confirm(mailed, request_id=asked["request_id"], code=mail.code)
    assert (limited.status_code, limited.json()["type"]) == (429, "/problems/too-many-requests")
    assert limited.headers["Retry-After"] == "3600"
    assert (await confirm(mailed, token=mail.token)).status_code == 200
    # Nobody else is locked out by it.
    async with mailed.new_client() as other:
        await by_code(mailed, "ben@example.org", other)


async def test_five_mails_an_hour_to_one_address_from_one_network(mailed: Paywall) -> None:
    for spelling in (ANA, "ANA@example.org", "Ana@EXAMPLE.org", ANA, ANA):
        assert (await ask(mailed, spelling)).status_code == 202
    answer = await ask(mailed)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
    assert (await ask(mailed, "ben@example.org")).status_code == 202
    assert len(await rows(mailed, Mail)) == 6


@on_sqlite
async def test_a_strangers_requests_keep_no_reader_from_a_mail(mailed: Paywall) -> None:
    await by_code(mailed)
    statuses = []
    for network in range(11):
        async with client_of(mailed.app, mailed.settings, f"203.0.{network}.7") as stranger:
            statuses += [(await ask(mailed, ANA, stranger)).status_code for _ in range(6)]
    # The attacker: five from each network, and at most fifty in all, that of the reader included.
    assert statuses.count(202) == 49
    assert statuses[:6] == [202] * 5 + [429]
    # The reader, in the browser that has signed in before; elsewhere they wait.
    assert (await ask(mailed, ANA)).status_code == 202
    async with client_of(mailed.app, mailed.settings, "203.0.200.7") as elsewhere:
        assert (await ask(mailed, ANA, elsewhere)).status_code == 429


@on_sqlite
async def test_a_stranger_from_one_network_keeps_nobody_elsewhere_from_a_mail(
    mailed: Paywall,
) -> None:
    async with client_of(mailed.app, mailed.settings, "203.0.113.7") as stranger:
        statuses = [(await ask(mailed, ANA, stranger)).status_code for _ in range(8)]
    assert statuses == [202] * 5 + [429] * 3
    await by_code(mailed)


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


@on_sqlite
async def test_an_app_gets_its_session_in_the_answer(mailed: Paywall) -> None:
    async with mailed.new_client() as app:
        asked = (await ask(mailed, ANA, app)).json()
        app.cookies.clear()  # an app keeps none
        device = {"Paywall-Device": asked["device_token"]}
        mail = await newest_mail(mailed.database, ANA)
        request = {"request_id": asked["request_id"], "code": mail.code, "session": "token"}
        answer = await app.post("/v1/sign-in/confirm", json=request, headers=device)
        assert "Set-Cookie" not in answer.headers
        session = answer.json()
        bearer = {"Authorization": f"Bearer {session['access_token']}", **device}
        read = await app.post("/v1/articles/for-members/unlock", headers=bearer)
        assert (read.status_code, read.json()["reason"]) == (200, "registered")
        again = await app.post(
            "/v1/session/token",
            json={"refresh_token": session["refresh_token"], "scope": "account"},
        )
        assert again.json()["refresh_token"] != session["refresh_token"]
        bearer = {"Authorization": f"Bearer {again.json()['access_token']}", **device}
        assert (await app.get("/v1/me", headers=bearer)).json()["email"] == ANA
        assert "Set-Cookie" not in again.headers
        (device_row,) = (await app.get("/v1/sessions", headers=bearer)).json()["items"]
        assert (device_row["kind"], device_row["current"]) == ("app", True)
        assert (await app.delete("/v1/session", headers=bearer)).status_code == 204
        assert (await app.get("/v1/me", headers=bearer)).status_code == 401


@on_sqlite
async def test_a_bearer_means_its_own_session_and_no_cookies(mailed: Paywall) -> None:
    await by_code(mailed)
    refresh = {"refresh_token": mailed.client.cookies["pw_session"], "scope": "account"}
    token = (await mailed.client.post("/v1/session/token", json=refresh)).json()["access_token"]
    async with mailed.new_client() as ben:
        await by_code(mailed, "ben@example.org", ben)
        as_ana = {"Authorization": f"Bearer {token}"}
        assert (await ben.get("/v1/me", headers=as_ana)).json()["email"] == ANA
        for wrong in ("Bearer x", "Bearer", "bearer  ", "Bearer " + token[:-2]):
            answer = await ben.get("/v1/me", headers={"Authorization": wrong})
            assert (answer.status_code, answer.json()["type"]) == (401, "/problems/invalid-token")
        # Another scheme is a proxy's before the site, and no business of ours.
        answer = await ben.get("/v1/me", headers={"Authorization": "Basic YTpi"})
        assert answer.json()["email"] == "ben@example.org"
        unlocked = (await mailed.unlock("a")).json()["token"]
        answer = await ben.get("/v1/me", headers={"Authorization": f"Bearer {unlocked}"})
        assert answer.status_code == 401


@on_sqlite
async def test_the_browsers_former_session_ends(mailed: Paywall) -> None:
    await by_code(mailed)
    planted = mailed.client.cookies["pw_session"]
    await by_code(mailed, "ben@example.org")
    assert mailed.client.cookies["pw_session"] != planted
    async with mailed.new_client() as attacker:
        attacker.cookies.set("pw_session", planted, domain="127.0.0.1")
        assert (await attacker.get("/v1/me")).status_code == 401
    assert (await mailed.client.get("/v1/me")).json()["email"] == "ben@example.org"


@on_sqlite
async def test_signing_devices_out(mailed: Paywall) -> None:
    await by_code(mailed)
    async with mailed.new_client() as phone, mailed.new_client() as ben:
        await by_code(mailed, ANA, phone)
        await by_code(mailed, "ben@example.org", ben)
        bens = (await ben.get("/v1/sessions")).json()["items"][0]["id"]
        phones = next(
            each for each in (await mailed.client.get("/v1/sessions")).json()["items"]
            if not each["current"]
        )  # fmt: skip
        for foreign in (bens, "ses_x", "x" * 100):
            answer = await mailed.client.delete(f"/v1/sessions/{foreign}")
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
        assert (await ben.get("/v1/me")).status_code == 200
        assert (await mailed.client.delete(f"/v1/sessions/{phones['id']}")).status_code == 204
        assert (await phone.get("/v1/me")).status_code == 401
        await by_code(mailed, ANA, phone)
        assert (await mailed.client.delete("/v1/sessions")).status_code == 204
        assert (await phone.get("/v1/me")).status_code == 401
        assert (await mailed.client.get("/v1/me")).status_code == 401
        assert (await ben.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/sessions/ses_%00"), ("GET", "/account/sign-in/code?request=a%00")],
)
async def test_ids_that_no_database_can_hold_are_refused(
    mailed: Paywall, method: str, path: str
) -> None:
    await by_code(mailed)
    assert (await mailed.client.request(method, path)).status_code == 422


async def test_the_sixth_device_ends_the_one_unused_for_longest(mailed: Paywall) -> None:
    clients = [mailed.new_client() for _ in range(6)]
    for number, client in enumerate(clients):
        mailed.clocks.travel(timedelta(hours=2))
        await by_code(mailed, ANA, client)
        if number == 3:
            assert (await clients[0].get("/v1/me")).status_code == 200
    statuses = [(await client.get("/v1/me")).status_code for client in clients]
    assert statuses == [200, 401, 200, 200, 200, 200]
    for client in clients:
        await client.aclose()


@on_sqlite
async def test_registered_readers_have_a_meter_of_their_own(mailed: Paywall) -> None:
    for slug in "bcdefghi":
        await mailed.publish(slug)
    for slug in "abc":
        assert (await mailed.unlock(slug)).json()["consumed"]
    walled = (await mailed.unlock("d")).json()
    assert (walled["reason"], walled["wall"]["kind"]) == ("meter_exhausted", "register")
    assert [each["rel"] for each in walled["wall"]["actions"]] == ["sign-in"]
    members = (await mailed.unlock("for-members")).json()
    assert (members["reason"], members["wall"]["kind"]) == ("registered_only", "register")
    await by_code(mailed)
    again = (await mailed.unlock("a")).json()
    assert (again["consumed"], again["meter"]["used"], again["meter"]["limit"]) == (False, 0, 5)
    for slug in "defgh":
        assert (await mailed.unlock(slug)).json()["consumed"], slug
    walled = (await mailed.unlock("i")).json()
    assert (walled["reason"], walled["wall"]["kind"]) == ("meter_exhausted", "subscribe")
    assert walled["wall"]["actions"] == []
    assert (await mailed.unlock("for-members")).json()["reason"] == "registered"
    assert (await mailed.unlock("premium")).json()["wall"]["kind"] == "subscribe"
    # On another device the reader's own meter goes on, and what was read stays read.
    async with mailed.new_client() as phone:
        await phone.post("/v1/articles/i/unlock")
        await by_code(mailed, ANA, phone)
        assert (await phone.post("/v1/articles/b/unlock")).json()["consumed"] is False
        assert (await phone.post("/v1/articles/i/unlock")).json()["consumed"] is False


@on_sqlite
async def test_edges_learn_of_registration_from_the_token(mailed: Paywall) -> None:
    await by_code(mailed)
    token = await mailed.access_token()
    assert (await mailed.full("for-members", token)).status_code == 200
    assert (await mailed.full("premium", token)).status_code == 403


@on_sqlite
async def test_where_no_mail_is_sent_nobody_is_asked_to_register(
    mailed: Paywall, clocks: Any
) -> None:
    from tests.inside import inside

    silent = mailed.settings.model_copy(update={"mail_from": ""})
    async with inside(mailed.database, silent, clocks) as off:
        answer = await ask(off)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/sign-in-is-off")
        wall = (await off.unlock("for-members")).json()["wall"]
        assert (wall["kind"], wall["actions"]) == ("subscribe", [])


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {}, {"email": None}, {"email": ["ana@example.org"]}, {"email": {"a": 1}}, {"email": 5},
        {"email": "ana@example.org", "admin": True}, {"email": "ana@example.org", "return_to": 3},
        {"email": "a\x00na@example.org"}, {"email": "x" * 300 + "@example.org"},
        {"email": "ana@example.org\r\nBcc: all@example.org"}, {"email": '"x y"@example.org'}, [], "x",
    ],
)  # fmt: skip
async def test_bad_requests(mailed: Paywall, body: Any) -> None:
    answer = await mailed.client.post("/v1/sign-in", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] in {"/problems/invalid-request", "/problems/invalid-email"}
    assert await rows(mailed, Mail) == []


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {}, {"token": None}, {"request_id": "x"}, {"code": "123456"}, {"token": "x", "code": "123456"},
        {"request_id": "x", "code": ["1", "2"]}, {"request_id": "x", "code": 123456},
        {"token": ["x"]}, {"token": "x", "session": "both"}, {"token": "x", "admin": True},
        {"token": "x" * 201}, {"token": "\x00"}, [], 1,
    ],
)  # fmt: skip
async def test_bad_confirmations(mailed: Paywall, body: Any) -> None:
    answer = await mailed.client.post("/v1/sign-in/confirm", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")


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
