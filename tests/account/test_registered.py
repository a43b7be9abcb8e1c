"""Readers who have signed in and pay nothing: their meter, their level, and the wall that asks to."""

from typing import Any

from tests.account.signing import ANA, ask, by_code
from tests.databases import on_sqlite
from tests.inside import Paywall


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
