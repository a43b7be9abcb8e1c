"""The sessions that signing in opens: in a cookie or in the answer, listed, ended, five at most."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from service.db.tables import ReaderSession
from tests.account.signing import ANA, ask, by_code
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail


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
async def test_a_session_says_how_it_was_opened(mailed: Paywall) -> None:
    await by_code(mailed)
    mailed.clocks.travel(timedelta(minutes=1))
    await ask(mailed, ANA)
    token = (await newest_mail(mailed.database, ANA)).token
    await mailed.client.post("/v1/sign-in/confirm", json={"token": token})
    async with mailed.database.reading() as session:
        found = await session.scalars(select(ReaderSession).order_by(ReaderSession.created_at))
        assert sorted(each.method for each in found) == ["code", "link"]
