"""Attacks by kind: who attacks, what is tried, and what attacker and victim then see."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.db.session import Database
from service.identity.permissions import SCOPES
from service.settings import Settings
from tests.account.visitor import client_of
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.keys import create_api_key
from tests.mailbox import newest_mail

pytestmark = on_sqlite
VICTIM, ATTACKER = "ana@example.org", "mallory@example.org"


@dataclass
class Scene:
    """A paywall with a signed-in victim, and an attacker who is signed in as somebody else."""

    paywall: Paywall
    victim: httpx2.AsyncClient
    attacker: httpx2.AsyncClient

    async def sign_in(self, client: httpx2.AsyncClient, address: str) -> None:
        self.paywall.clocks.travel(timedelta(milliseconds=1))
        asked = await client.post("/v1/sign-in", json={"email": address})
        mail = await newest_mail(self.paywall.database, address)
        body = {"request_id": asked.json()["request_id"], "code": mail.code}
        assert (await client.post("/v1/sign-in/confirm", json=body)).status_code == 200

    async def victims_account(self) -> int:
        return (await self.victim.get("/v1/me")).status_code

    async def stranger(self, network: str = "203.0.113.7") -> httpx2.AsyncClient:
        return client_of(self.paywall.app, self.paywall.settings, network)

    async def reading_token(self) -> str:
        token: str = (await self.victim.post("/v1/session/token")).json()["access_token"]
        return token


Seen = tuple[Any, Any]
"""What the attacker sees, and the victim afterwards: mostly statuses."""


@dataclass(frozen=True)
class Attack:
    who: str
    tries: str
    attacker: Any
    victim: Any
    act: Callable[[Scene], Awaitable[Seen]]


async def plant_a_cookie(scene: Scene) -> Seen:
    """A browser sends a sister host's look-alike, which would sign the victim in as the attacker."""
    planted = scene.attacker.cookies["pw_session"].encode()
    async with await scene.stranger() as browser:
        seen = await browser.get("/v1/me", headers=[(b"cookie", b"\xa0pw_session=" + planted)])
    return seen.status_code, await scene.victims_account()


async def use_up_the_mails(scene: Scene) -> Seen:
    async with await scene.stranger() as stranger:
        asked = [await stranger.post("/v1/sign-in", json={"email": VICTIM}) for _ in range(6)]
    again = await scene.victim.post("/v1/sign-in", json={"email": VICTIM})
    return asked[-1].status_code, again.status_code


async def export_by_an_edges_token(scene: Scene) -> Seen:
    bearer = {"Authorization": f"Bearer {await scene.reading_token()}"}
    async with await scene.stranger() as edge:
        statuses = {
            (await edge.request(method, path, headers=bearer)).status_code
            for method, path in (("GET", "/v1/me/export"), ("DELETE", "/v1/me"), ("DELETE", "/v1/sessions"))
        }  # fmt: skip
    return statuses, await scene.victims_account()


async def erase_at_an_open_device(scene: Scene) -> Seen:
    scene.paywall.clocks.travel(timedelta(minutes=20))
    refused = await scene.victim.delete("/v1/me")
    return refused.json()["type"], await scene.victims_account()


async def smuggle_a_second_credential(scene: Scene) -> Seen:
    token = (await scene.reading_token()).encode()
    twice = [(b"authorization", b"Bearer x"), (b"authorization", b"Bearer " + token)]
    async with await scene.stranger() as smuggler:
        seen = await smuggler.get("/v1/articles/a/full", headers=twice)
    return seen.status_code, await scene.victims_account()


async def act_from_another_site(scene: Scene) -> Seen:
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    seen = [
        (await scene.victim.request(method, path, headers=foreign)).status_code
        for method, path in (("DELETE", "/v1/session"), ("POST", "/account/sign-out"), ("DELETE", "/v1/me"))
    ]  # fmt: skip
    return set(seen), await scene.victims_account()


async def end_somebody_elses_session(scene: Scene) -> Seen:
    (session,) = (await scene.victim.get("/v1/sessions")).json()["items"]
    seen = await scene.attacker.delete(f"/v1/sessions/{session['id']}")
    return seen.status_code, await scene.victims_account()


async def replay_a_stolen_token(scene: Scene) -> Seen:
    stolen = scene.victim.cookies["pw_session"]
    await scene.victim.post("/v1/session/token")
    assert await scene.victims_account() == 200  # the successor is in use from now on
    scene.paywall.clocks.travel(timedelta(minutes=5))
    async with await scene.stranger() as thief:
        seen = await thief.post("/v1/session/token", json={"refresh_token": stolen})
    return seen.status_code, await scene.victims_account()


async def send_what_costs_time(scene: Scene) -> Seen:
    members = b"{" + b",".join(b'"m%d":1' % n for n in range(5000)) + b"}"
    headers = {"Content-Type": "application/json"}
    async with await scene.stranger() as stranger:
        statuses = [
            (await stranger.post("/v1/sign-in", content=body, headers=headers)).status_code
            for body in (members, b"[" * 60_000, b"x" * 3_800_000)
        ]
    return statuses, await scene.victims_account()


async def revoke_with_a_small_key(scene: Scene) -> Seen:
    async with scene.paywall.database.transaction() as session:
        now = scene.paywall.clocks.wall()
        small = await create_api_key(session, label="x", scopes=["keys:write"], now=now)
        whole = await create_api_key(session, label="y", scopes=sorted(SCOPES), now=now)
    async with await scene.stranger() as client:
        seen = await client.delete(
            f"/v1/admin/api-keys/{whole.split('_')[1]}",
            headers={"Authorization": f"Bearer {small}"},
        )
        after = await client.get("/v1/admin/articles", headers={"Authorization": f"Bearer {whole}"})
    return seen.status_code, after.status_code


async def search_for_what_is_scheduled(scene: Scene) -> Seen:
    soon = (scene.paywall.clocks.business() + timedelta(seconds=20)).isoformat()
    await scene.paywall.publish("ferry", title="Resignation", status="scheduled", published_at=soon)
    async with await scene.stranger() as stranger:
        pages = [await stranger.get(f"/v1/articles?q={q}") for q in ("resignation", "nothing")]
    told = {(page.headers["Cache-Control"], page.content) for page in pages}
    return len(told), await scene.victims_account()


async def read_the_figures(scene: Scene) -> Seen:
    async with await scene.stranger() as stranger:
        seen = await stranger.get("/metrics")
    return seen.status_code, await scene.victims_account()


AGAIN = "/problems/sign-in-again"
ATTACKS = {
    attack.act.__name__: attack
    for attack in (
        Attack("a sister host", "sets a cookie whose name looks like ours", 401, 200, plant_a_cookie),
        Attack("a stranger", "asks for the victim's mails until none is left", 429, 202, use_up_the_mails),
        Attack("an edge", "exports and erases by a token for reading", {403}, 200, export_by_an_edges_token),
        Attack("who finds the device", "erases the account", AGAIN, 200, erase_at_an_open_device),
        Attack("a caller behind a proxy", "sends a second credential", 401, 200, smuggle_a_second_credential),
        Attack("another site", "signs the victim out by their cookies", {403}, 200, act_from_another_site),
        Attack("another reader", "ends the victim's session", 404, 200, end_somebody_elses_session),
        # The victim signs in anew: of two holders of a copy nobody knows which is the right one.
        Attack("a thief", "uses a session's former token", 401, 401, replay_a_stolen_token),
        Attack("a stranger", "sends bodies that cost time", [400, 400, 413], 200, send_what_costs_time),
        Attack("a key with keys:write", "revokes one that may do more", 403, 200, revoke_with_a_small_key),
        Attack("a stranger", "searches for a scheduled article", 1, 200, search_for_what_is_scheduled),
        Attack("a stranger", "reads the figures", 404, 200, read_the_figures),
    )
}  # fmt: skip


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """Each attack has an application of its own, and not the folder's."""


@pytest.fixture
async def scene(
    settings: Settings, clocks: MovingClocks, database: Database
) -> AsyncIterator[Scene]:
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example>"})
    async with (
        inside(database, mailing, clocks) as paywall,
        paywall.new_client() as victim,
        paywall.new_client() as attacker,
    ):
        made = Scene(paywall, victim, attacker)
        await paywall.publish("a")
        await made.sign_in(victim, VICTIM)
        await made.sign_in(attacker, ATTACKER)
        yield made


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack(scene: Scene, name: str) -> None:
    attack = ATTACKS[name]
    seen = await attack.act(scene)
    told = f"{attack.who} {attack.tries}"
    assert seen == (attack.attacker, attack.victim), told
