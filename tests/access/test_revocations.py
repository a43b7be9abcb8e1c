"""Tokens of what has ended since are refused, within a round of background work, everywhere."""

import json
from datetime import timedelta

import pytest

from service.access.revocations import Revocations
from service.clock import Clocks
from service.tokens.key_pairs import decode_base64url, encode_base64url
from service.tokens.revoked import Claim, revoke_claim
from tests.databases import on_sqlite
from tests.inside import Paywall

SECOND = timedelta(seconds=1)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""


def claims_of(token: str) -> dict[str, str]:
    claims: dict[str, str] = json.loads(decode_base64url(token.split(".")[1]))
    return claims


def other_spelling(token: str) -> str:
    """The same token with the other valid signature: (r, n - s) instead of (r, s)."""
    signed, _, signature = token.rpartition(".")
    raw = decode_base64url(signature)
    mirrored = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    return f"{signed}.{encode_base64url(mirrored)}"


async def revoke(paywall: Paywall, claim: Claim, value: str) -> None:
    async with paywall.database.transaction() as session:
        await revoke_claim(session, claim, value, now=paywall.clocks.wall())
    await refreshed(paywall)


async def refreshed(paywall: Paywall) -> None:
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)


async def status(paywall: Paywall, token: str, slug: str = "p") -> int:
    return (await paywall.full(slug, token)).status_code


@pytest.fixture
async def premium(paywall: Paywall) -> Paywall:
    await paywall.publish("p", access={"level": "subscribers"})
    return paywall


@on_sqlite
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
        "/v1/admin/grants", json={"reader_id": reader_id, "note": "A prize"}, headers=premium.staff
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


@on_sqlite
async def test_what_ended_long_ago_is_forgotten(premium: Paywall) -> None:
    await premium.sign_in("everything")
    await premium.client.delete("/v1/session")
    later = Clocks(lambda: premium.clocks.time + timedelta(minutes=12))
    await refreshed(premium)
    assert premium.app.running.get(Revocations)._sessions
    await premium.app.running.get(Revocations).refresh(premium.database, later)
    assert not premium.app.running.get(Revocations)._sessions


@on_sqlite
@pytest.mark.parametrize("claim", ["jti", "sid", "sub"])
async def test_both_spellings_of_a_signature_are_revoked_alike(
    premium: Paywall, claim: Claim
) -> None:
    await premium.sign_in("everything")
    tokens = [await premium.access_token(), (await premium.unlock("p")).json()["token"]]
    premium.clocks.travel(SECOND)
    spellings = [*tokens, *map(other_spelling, tokens)]
    assert len(set(spellings)) == 4
    assert [await status(premium, each) for each in spellings] == [200] * 4
    for token in tokens:
        await revoke(premium, claim, claims_of(token)[claim])
    assert [await status(premium, each) for each in spellings] == [401] * 4
    refused = await premium.full("p", spellings[-1])
    assert refused.json()["type"] == "/problems/invalid-token"
    # The session goes on: what it fetches now is as good as ever.
    premium.clocks.travel(SECOND)
    assert await status(premium, await premium.access_token()) == 200
    assert await status(premium, (await premium.unlock("p")).json()["token"]) == 200


@on_sqlite
async def test_a_revoked_access_token_speaks_for_nobody(premium: Paywall) -> None:
    await premium.sign_in("everything")
    token = await premium.access_token()
    await revoke(premium, "jti", claims_of(token)["jti"])
    async with premium.new_client() as app:
        for spelling in (token, other_spelling(token)):
            answer = await app.get("/v1/me", headers={"Authorization": f"Bearer {spelling}"})
            assert answer.status_code == 401


@on_sqlite
async def test_a_remembered_unlock_token_is_not_given_out_again_once_revoked(
    premium: Paywall,
) -> None:
    async with premium.new_client() as device:
        first = (await device.post("/v1/articles/a/unlock")).json()["token"]
        again = (await device.post("/v1/articles/a/unlock")).json()["token"]
        assert again == first
        await revoke(premium, "jti", claims_of(first)["jti"])
        new = (await device.post("/v1/articles/a/unlock")).json()["token"]
    assert await status(premium, first, "a") == 401
    assert await status(premium, new, "a") == 200


async def test_revoked_claims_are_forgotten_when_their_tokens_have_died(premium: Paywall) -> None:
    await revoke(premium, "sub", "rdr_1")
    assert premium.app.running.get(Revocations)._claims
    premium.clocks.travel(timedelta(minutes=12))
    await refreshed(premium)
    assert not premium.app.running.get(Revocations)._claims
