"""Tokens of what has ended since are refused, within a round of background work, everywhere."""

from datetime import timedelta

import pytest

from service.clock import Clocks
from tests.inside import Paywall

SECOND = timedelta(seconds=1)


async def refreshed(paywall: Paywall) -> None:
    await paywall.app.state.revocations.refresh(paywall.database, paywall.clocks)


async def status(paywall: Paywall, token: str, slug: str = "p") -> int:
    return (await paywall.full(slug, token)).status_code


@pytest.fixture
async def premium(paywall: Paywall) -> Paywall:
    await paywall.publish("p", access={"level": "subscribers"})
    return paywall


async def test_signing_out_ends_the_tokens_of_that_session_alone(premium: Paywall) -> None:
    await premium.sign_in("everything")
    tokens = [await premium.access_token(), (await premium.unlock("p")).json()["token"]]
    async with premium.new_client() as other:
        device = (await other.post("/v1/articles/a/unlock")).json()["token"]
    assert [await status(premium, token) for token in tokens] == [200, 200]
    await premium.client.delete("/v1/session")
    await refreshed(premium)
    for token in tokens:
        answer = await premium.full("p", token)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/invalid-token")
    assert await status(premium, device, "a") == 200
    await premium.sign_in("everything")
    assert await status(premium, await premium.access_token()) == 200


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=40)])
async def test_a_revoked_comp_ends_the_tokens_signed_for_it(
    premium: Paywall, ahead: timedelta
) -> None:
    premium.clocks.offset = ahead
    reader_id = await premium.sign_in()
    given = await premium.client.post(
        "/v1/admin/grants", json={"reader_id": reader_id}, headers=premium.staff
    )
    access = await premium.access_token()
    unlocked = (await premium.unlock("p")).json()["token"]
    metered = (await premium.unlock("a")).json()
    assert metered["reason"] == "comp"
    premium.clocks.travel(SECOND)
    await premium.client.delete(f"/v1/admin/grants/{given.json()['id']}", headers=premium.staff)
    await refreshed(premium)
    assert [await status(premium, token) for token in (access, unlocked)] == [401, 401]
    # What the meter opens now is signed anew, and an access token says what is left.
    again = (await premium.unlock("a")).json()
    assert again["reason"] == "meter"
    assert await status(premium, again["token"], "a") == 200
    premium.clocks.travel(SECOND)
    assert await status(premium, await premium.access_token()) == 403


async def test_what_ended_long_ago_is_forgotten(premium: Paywall) -> None:
    await premium.sign_in("everything")
    await premium.client.delete("/v1/session")
    later = Clocks(lambda: premium.clocks.time + timedelta(minutes=12))
    await refreshed(premium)
    assert premium.app.state.revocations._sessions
    await premium.app.state.revocations.refresh(premium.database, later)
    assert not premium.app.state.revocations._sessions
