"""Outgoing webhooks as operators make and watch them, on the pages and over the API."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from service import app as assembly
from service.clock import Clocks
from service.db.session import Database
from service.db.tables import AuditEntry, WebhookEndpoint
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.readers import create_reader
from service.jobs.runner import Wakes
from service.outbox.webhook_sender import WebhookSender
from service.outbox.webhook_targets import Targets
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.conftest import PASSWORD, csrf_in, seen_in
from tests.outbox.webhook_receiver import receiving
from tests.patience import PATIENCE, wait_for

API = "/v1/admin/webhook-endpoints"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def clocks() -> MovingClocks:
    """The real time: the library compares the timestamp with it."""
    return MovingClocks(Clocks().wall())


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    settings = settings.model_copy(update={"webhooks_allow_private_targets": True})
    async with inside(database, settings, clocks) as made:
        yield made


async def call(paywall: Paywall, method: str, path: str = "", body: Any = None) -> httpx2.Response:
    content = json.dumps(body).encode() if body is not None else None
    typed = {"Content-Type": "application/json"} if content else {}
    return await paywall.client.request(
        method, f"{API}{path}", content=content, headers={**paywall.staff, **typed}
    )


async def made(paywall: Paywall, url: str, *types: str) -> dict[str, Any]:
    body = {"url": url, "types": list(types or "*"), "description": "CRM"}
    answer = await call(paywall, "POST", "", body)
    assert answer.status_code == 201, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def deliveries(paywall: Paywall, endpoint_id: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await call(paywall, "GET", f"/{endpoint_id}/deliveries{query}")
    ).json()["items"]
    return found


async def sent(paywall: Paywall) -> None:
    """A round of the background work, to its end."""
    await paywall.app.running.get(WebhookSender).begin()
    await paywall.app.running.get(WebhookSender).finish()


async def actions(paywall: Paywall, target: str) -> list[str]:
    async with paywall.database.reading() as session:
        found = await session.scalars(
            select(AuditEntry.action).where(AuditEntry.target == target).order_by(AuditEntry.id)
        )
        return [each.removeprefix("webhook-endpoint.") for each in found]


async def signed_in(paywall: Paywall, role: str = "admin") -> None:
    async with paywall.database.transaction() as session:
        now = paywall.clocks.wall()
        someone = await create_operator(
            session, email=f"{role}@example.org", password=PASSWORD, role=role, now=now
        )
        secret = await open_operator_session(session, someone, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)


async def post(paywall: Paywall, path: str, **fields: str | list[str]) -> httpx2.Response:
    csrf = csrf_in((await paywall.client.get("/admin/account")).text)
    seen = seen_in((await paywall.client.get(path)).text, path)
    return await paywall.client.post(path, data={"csrf": csrf, "seen": seen, **fields})


@on_sqlite
async def test_over_the_api_an_endpoint_is_made_tested_told_rotated_replayed_and_deleted(
    paywall: Paywall,
) -> None:
    async with receiving() as receiver:
        endpoint = await made(paywall, receiver.url, "reader.created", "reader.created")
        here = f"/{endpoint['id']}"
        assert endpoint["types"] == ["reader.created"]
        (listed,) = (await call(paywall, "GET")).json()["items"]
        assert listed == {name: value for name, value in endpoint.items() if name != "secret"}

        test = await call(paywall, "POST", f"{here}/test")
        assert (test.status_code, test.json()["type"]) == (202, "webhook.test")
        async with paywall.database.transaction() as session:
            reader = await create_reader(session, email=None, clocks=paywall.clocks)
        await sent(paywall)
        await receiver.has(2)
        read = {
            event["type"]: event
            for each in receiver.received
            for event in [Webhook(endpoint["secret"]).verify(each.body, each.headers)]
        }
        assert set(read) == {"webhook.test", "reader.created"}
        assert read["webhook.test"]["data"]["subject_id"] == endpoint["id"]
        assert read["reader.created"]["data"]["reader_id"] == reader.id

        rotated = (await call(paywall, "POST", f"{here}/secret")).json()
        assert rotated["secret"] != endpoint["secret"]
        assert rotated["old_secret_until"] is not None
        found = await deliveries(paywall, endpoint["id"], "?status=delivered")
        assert {each["type"] for each in found} == set(read)
        replayed = await call(paywall, "POST", f"{here}/deliveries/{found[0]['id']}/replay")
        assert replayed.status_code == 202
        assert (replayed.json()["status"], replayed.json()["attempts"]) == ("waiting", 1)
        assert replayed.json()["next_try_at"] is not None
        await sent(paywall)
        await receiver.has(3)
        again = receiver.received[2]
        assert again.headers["webhook-id"] == found[0]["event_id"]
        for secret in (endpoint["secret"], rotated["secret"]):
            Webhook(secret).verify(again.body, again.headers)

        changed = await call(paywall, "PATCH", here, {"types": ["*"], "disabled": True})
        assert (changed.json()["types"], changed.json()["disabled"]) == (["*"], True)
        for path in (f"{here}/test", f"{here}/deliveries/{found[0]['id']}/replay"):
            refused = await call(paywall, "POST", path)
            assert (refused.status_code, "Enable it first" in refused.text) == (422, True)
        assert not (await call(paywall, "PATCH", here, {"disabled": False})).json()["disabled"]
        assert (await call(paywall, "DELETE", here)).status_code == 204
        assert (await call(paywall, "DELETE", here)).status_code == 404
        assert (await call(paywall, "GET", f"{here}/deliveries")).status_code == 404
    assert await actions(paywall, endpoint["id"]) == [
        "create", "test", "rotate-secret", "replay", "change", "disable", "enable", "delete",
    ]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"url": "ftp://x.org", "types": ["*"]}, "body.url", "https and http addresses only"),
        ({"url": "http://a:b@x.org", "types": ["*"]}, "body.url", "password"),
        ({"url": "https://hooks.invalid/", "types": ["*"]}, "body.url", "can't be looked up"),
        ({"url": "http://127.0.0.1/", "types": ["reader.x"]}, "body.types", "Unknown: reader.x"),
        ({"url": "http://127.0.0.1/", "types": ["webhook.test"]}, "body.types", "Unknown"),
        ({"url": "http://127.0.0.1/", "types": []}, "body.types", "at least 1"),
        ({"url": "http://127.0.0.1/\0", "types": ["*"]}, "body.url", "U+0000"),
        (
            {"url": "http://127.0.0.1/", "types": ["*"], "description": "a\nb"},
            "body.description", "one line",
        ),
    ],
)  # fmt: skip
async def test_what_makes_no_endpoint(
    paywall: Paywall, body: dict[str, Any], field: str, told: str
) -> None:
    refused = await call(paywall, "POST", "", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert told in refused.text
    assert (await call(paywall, "GET")).json()["items"] == []


@on_sqlite
async def test_there_are_at_most_twenty(paywall: Paywall) -> None:
    for _ in range(20):
        await made(paywall, "http://127.0.0.1:9/")
    answer = await call(paywall, "POST", "", {"url": "http://127.0.0.1:9/", "types": ["*"]})
    assert (answer.status_code, "There are 20 endpoints" in answer.text) == (422, True)


@on_sqlite
async def test_this_machine_is_refused_at_once_and_after_a_change_of_dns(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return [host] if host == "127.0.0.1" else answers.pop(0)

    async with receiving() as receiver, inside(database, settings, clocks, resolve) as paywall:
        refused = await call(paywall, "POST", "", {"url": receiver.url, "types": ["*"]})
        assert refused.status_code == 422
        assert "PAYWALL_WEBHOOKS_ALLOW_PRIVATE_TARGETS" in refused.text
        endpoint = await made(paywall, f"http://hooks.example:{receiver.port}/")
        await call(paywall, "POST", f"/{endpoint['id']}/test")
        await sent(paywall)
        (delivery,) = await deliveries(paywall, endpoint["id"])
        assert (delivery["status"], delivery["last_status"]) == ("waiting", None)
        assert delivery["last_result"].startswith("hooks.example is an address of this machine")
        assert receiver.received == []


@on_sqlite
async def test_production_takes_https_alone_and_nothing_near(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    settings = settings.model_copy(update={"environment": "production"})
    async with inside(database, settings, clocks) as paywall:
        assert paywall.app.running.get(Targets) == Targets(only_https=True, allow_private=False)


@on_sqlite
async def test_on_the_pages_an_endpoint_is_made_watched_and_changed(paywall: Paywall) -> None:
    await signed_in(paywall)
    async with receiving() as receiver:
        shown = await post(
            paywall, "/admin/webhooks", url=receiver.url, description=HOSTILE,
            types=["reader.created", "pass.bought"],
        )  # fmt: skip
        assert shown.status_code == 200
        (secret,) = re.findall(r'class="secret">(whsec_[^<]+)<', unescape(shown.text))
        assert "<script" not in shown.text
        async with paywall.database.reading() as session:
            endpoint = (await session.scalars(select(WebhookEndpoint))).one()
        here = f"/admin/webhooks/{endpoint.id}"
        assert endpoint.types == ["pass.bought", "reader.created"]
        assert secret not in (await paywall.client.get(here)).text

        receiver.statuses = [503]
        assert (await post(paywall, here, change="test")).headers["location"] == here
        await sent(paywall)
        (request,) = receiver.received
        Webhook(secret).verify(request.body, request.headers)
        page = (await paywall.client.get(here)).text
        assert "webhook.test" in page
        assert "HTTP 503" in page
        assert "next attempt" in page
        (path,) = re.findall(rf'action="({here}/deliveries/[a-z0-9_]+/replay)"', page)
        assert (await post(paywall, path)).headers["location"] == here
        await sent(paywall)
        assert len(receiver.received) == 2
        for query, count in (("delivered", 1), ("failed", 0), ("waiting", 0)):
            listed = (await paywall.client.get(f"{here}?status={query}")).text
            assert listed.count("/replay") == count

        rotated = await post(paywall, here, change="rotate")
        (new,) = re.findall(r'class="secret">(whsec_[^<]+)<', unescape(rotated.text))
        assert new != secret
        assert "The old secret stays valid until" in rotated.text

        await post(paywall, here, change="types")
        assert "Receives all events" in (await paywall.client.get(here)).text
        await post(paywall, here, change="types", types=["pass.ended"])
        page = (await paywall.client.get(here)).text
        assert 'value="pass.ended" checked' in page
        assert page.count(" checked") == 1
        refused = await post(paywall, here, change="types", types=["pass.lost"])
        assert (refused.status_code, "Unknown: pass.lost" in refused.text) == (422, True)

        await post(paywall, here, change="disable")
        assert "Disabled since" in (await paywall.client.get("/admin/webhooks")).text
        refused = await post(paywall, here, change="test")
        assert (refused.status_code, "Enable it first" in refused.text) == (422, True)
        await post(paywall, here, change="enable")
        for fields in ({"change": "delete"}, {"change": "explode"}, {}):
            unchanged = await post(paywall, here, **fields)
            assert (unchanged.status_code, "Nothing was changed" in unchanged.text) == (422, True)
        gone = await post(paywall, here, change="delete", sure="yes")
        assert (gone.status_code, gone.headers["location"]) == (303, "/admin/webhooks")
        assert (await paywall.client.get(here)).status_code == 404
    assert "No endpoints yet" in (await paywall.client.get("/admin/webhooks")).text
    assert await actions(paywall, endpoint.id) == [
        "create", "test", "replay", "rotate-secret", "change", "change", "disable", "enable",
        "delete",
    ]  # fmt: skip


@on_sqlite
async def test_what_can_t_be_made_is_told_above_the_form_with_what_was_typed(
    paywall: Paywall,
) -> None:
    await signed_in(paywall)
    refused = await post(
        paywall, "/admin/webhooks", url="ftp://x.org", description="CRM", types=["pass.bought"]
    )
    assert refused.status_code == 422
    assert "https and http addresses only" in refused.text
    assert 'value="ftp://x.org"' in refused.text
    assert 'value="pass.bought" checked' in refused.text
    async with receiving() as receiver:
        page = await post(paywall, "/admin/webhooks", url=receiver.url)
    assert "Receives all events" in page.text


@on_sqlite
async def test_who_only_may_look_has_no_buttons(paywall: Paywall) -> None:
    endpoint = await made(paywall, "http://127.0.0.1:9/")
    await call(paywall, "POST", f"/{endpoint['id']}/test")
    await signed_in(paywall, "billing")
    for path in ("/admin/webhooks", f"/admin/webhooks/{endpoint['id']}"):
        page = await paywall.client.get(path)
        assert page.status_code == 200
        assert f'action="{path}' not in page.text
    refused = await post(paywall, f"/admin/webhooks/{endpoint['id']}", change="disable")
    assert refused.status_code == 403


@on_sqlite
async def test_the_list_of_deliveries_goes_on_page_by_page(paywall: Paywall) -> None:
    endpoint = await made(paywall, "http://127.0.0.1:9/")
    for _ in range(5):
        await call(paywall, "POST", f"/{endpoint['id']}/test")
    seen, cursor = [], ""
    while True:
        answer = await call(paywall, "GET", f"/{endpoint['id']}/deliveries?limit=2{cursor}")
        seen += [each["id"] for each in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.json()['next_cursor']}"
    assert len(seen) == len(set(seen)) == 5
    for query in ("cursor=x", "cursor=ZGx2X3g", "status=lost", "limit=0"):
        refused = await call(paywall, "GET", f"/{endpoint['id']}/deliveries?{query}")
        assert refused.status_code == 422


@on_sqlite
async def test_the_service_sends_by_itself(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    settings = settings.model_copy(
        update={"webhooks_allow_private_targets": True, "background_interval_seconds": 0.05}
    )
    async with receiving() as receiver, inside(database, settings, clocks, background=True) as site:
        endpoint = await made(site, receiver.url)
        await call(site, "POST", f"/{endpoint['id']}/test")
        await receiver.has(1)


@on_sqlite
async def test_the_service_sends_before_its_end_what_no_round_has_met(
    database: Database, settings: Settings, clocks: MovingClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("TASKS_END_SECONDS", "SENDING_ENDS_SECONDS"):
        monkeypatch.setattr(assembly, limit, PATIENCE)
    settings = settings.model_copy(
        update={"webhooks_allow_private_targets": True, "background_interval_seconds": 3600}
    )
    async with receiving() as receiver:
        async with inside(database, settings, clocks, background=True) as site:
            pause = site.app.running.get(Wakes).event("webhooks")
            await wait_for(lambda: pause._waiters, "the first round is over")
            endpoint = await made(site, receiver.url)
            await call(site, "POST", f"/{endpoint['id']}/test")
            assert not receiver.received
        assert len(receiver.received) == 1
