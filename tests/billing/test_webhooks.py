"""The webhook's front door: what Stripe signed just now comes in, and nothing else."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.billing.inbox import JOB
from service.db.tables import InboxEvent, InvoiceRow, Job, Reader, Subscription
from service.payments.configured import gateway_of_settings
from service.payments.gateway import SignatureRefused
from service.settings import Settings
from service.simulator.delivery import signature
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.served import WEBHOOK_SECRET, Installation, installation, serving

ADDRESS = "/v1/webhooks/stripe"


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(settings, clocks, webhooks=False) as made:
        yield made


def event(identifier: str = "evt_1", kind: str = "invoice.paid", **subject: Any) -> dict[str, Any]:
    return {
        "id": identifier, "object": "event", "type": kind, "created": 1773133200,
        "api_version": "2026-10-28.endive", "livemode": False, "pending_webhooks": 1,
        "data": {"object": {"object": "charge", "id": "ch_1", **subject}},
    }  # fmt: skip


def event_jobs(site: Installation) -> list[Job]:
    return [job for job in rows(site, Job) if job.kind == JOB]


def send(
    site: Installation,
    payload: bytes,
    *,
    secret: str = WEBHOOK_SECRET,
    age: int = 0,
    **headers: str,
) -> httpx2.Response:
    signed_at = int(site.clocks.wall().timestamp()) - age
    header = {"Stripe-Signature": signature(payload, secret, signed_at), **headers}
    return site.browser.post(ADDRESS, content=payload, headers=header)


@on_sqlite
def test_signed_just_now_or_refused(quiet: Installation) -> None:
    payload = json.dumps(event(kind="charge.succeeded")).encode()
    good = signature(payload, WEBHOOK_SECRET, int(quiet.clocks.wall().timestamp()))
    stamp, _, mac = good.partition(",v1=")
    refused = {
        "old": send(quiet, payload, age=301),
        "ancient": send(quiet, payload, age=10**9),
        "future": send(quiet, payload, age=-61),
        "another secret": send(quiet, payload, secret="whsec_other"),
        "unsigned": quiet.browser.post(ADDRESS, content=payload),
        "changed": quiet.browser.post(
            ADDRESS, content=payload + b" ", headers={"Stripe-Signature": good}
        ),
        "later stamp": quiet.browser.post(
            ADDRESS, content=payload, headers={"Stripe-Signature": f"{good},t=1"}
        ),
    }
    for header in (
        "", "x", "t=,v1=", "t=1", f"v1={mac}", f"{stamp},v0={mac}", f"{stamp},v1=", f"t=abc,v1={mac}",
        f"t=1=2,v1={mac}", f"{stamp},v1={mac[:-1]}", f"t=99999999999999999999,v1={mac}", "é" * 9,
        ",,,", "=" * 2000,
    ):  # fmt: skip
        refused[f"header {header}"] = quiet.browser.post(
            ADDRESS, content=payload, headers={b"Stripe-Signature": header.encode()}
        )
    for name in ("later stamp",):
        assert refused.pop(name).status_code == 200
    for name, answer in refused.items():
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/webhook-refused"), (
            name
        )
    assert len(rows(quiet, InboxEvent)) == 1
    for age in (300, -60):
        assert send(quiet, payload, age=age).json() == {"new": False}


@on_sqlite
def test_while_secrets_are_exchanged_either_is_accepted(
    settings: Settings, clocks: MovingClocks
) -> None:
    settings = settings.model_copy(
        update={
            "stripe_secret_key": SecretStr("sk_test_local"),
            "stripe_webhook_secret": SecretStr("whsec_new"),
            "stripe_webhook_secret_old": SecretStr("whsec_old"),
        }
    )
    payload, now = json.dumps(event()).encode(), clocks.wall()
    both, one = (
        gateway_of_settings(each)
        for each in (
            settings,
            settings.model_copy(update={"stripe_webhook_secret_old": SecretStr("")}),
        )
    )
    assert both is not None
    assert one is not None
    at = int(now.timestamp())
    signed = {name: signature(payload, f"whsec_{name}", at) for name in ("new", "old", "other")}
    # Stripe itself signs with both while the former one goes on.
    twice = signed["other"] + "," + signed["old"].partition(",")[2]
    for header in (signed["new"], signed["old"], twice):
        assert both.verify_webhook(payload, header, now).id == "evt_1"
    assert one.verify_webhook(payload, signed["new"], now).id == "evt_1"
    for gateway, header in ((both, signed["other"]), (one, signed["old"]), (one, twice)):
        with pytest.raises(SignatureRefused):
            gateway.verify_webhook(payload, header, now)
    with pytest.raises(SignatureRefused, match="seconds ago"):
        both.verify_webhook(payload, signed["old"], now + timedelta(seconds=301))


@on_sqlite
def test_the_answer_waits_for_nobody_while_stripe_is_silent(
    settings: Settings, clocks: MovingClocks
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = settings.model_copy(
            update={
                "stripe_secret_key": SecretStr("sk_test_local"),
                "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
                "stripe_api_base": address,
            }
        )
        app = create_app(settings, gateway=gateway_of_settings(settings), clocks=clocks)
        with serving(app, free_port()) as url:
            told = event(kind="customer.subscription.updated", object="subscription", id="sub_1")
            payload = json.dumps(told).encode()
            header = signature(payload, WEBHOOK_SECRET, int(clocks.wall().timestamp()))
            answer = httpx2.post(
                f"{url}{ADDRESS}",
                content=payload,
                headers={"Stripe-Signature": header},
                timeout=PATIENCE,
            )
            assert answer.json() == {"new": True}
            clocks.travel(timedelta(seconds=90))
            figures = httpx2.get(f"{url}/metrics", timeout=PATIENCE).text
            assert 'paywall_jobs_held{kind="stripe-event",status="waiting"} 1.0' in figures
            assert 'paywall_jobs_oldest_seconds{kind="stripe-event"} 90.0' in figures
            silent.close()


@on_sqlite
def test_garbage_that_is_signed(quiet: Installation) -> None:
    hollow: list[Any] = [
        {}, [], "x", 1, None, {"id": "evt_1"}, {**event(), "data": None}, {**event(), "data": {"object": []}},
        {**event(), "id": 7}, {**event(), "type": None}, {**event(), "created": "today"},
        {**event(), "created": 10**30}, {**event(), "data": {"object": "x"}},
        event(kind="invoice.paid", object="invoice", parent="x"), {**event(), "id": "evt_\ud800"},
        {**event(), "type": "x\udfff"}, {**event(), "id": "../v1/charges"}, {**event(), "id": ""},
        {**event(), "created": 1e300}, {**event(), "created": -(10**18)}, {**event(), "id": "e" * 300},
    ]  # fmt: skip
    payloads = [json.dumps(each).encode() for each in hollow]
    payloads += [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"\x00", b'{"id": "evt_1", "id": NaN}']
    payloads += [json.dumps(event()).encode().replace(b"}", b', "n": 1' + b"0" * 5000 + b"}", 1)]
    for payload in payloads:
        answer = send(quiet, payload)
        assert answer.status_code == 400, payload[:80]
        assert answer.json()["type"] == "/problems/webhook-refused"
    assert rows(quiet, InboxEvent) == []


@on_sqlite
def test_a_huge_body(quiet: Installation) -> None:
    payload = b" " * (quiet.settings.max_body_kilobytes * 1024 + 1)
    assert send(quiet, payload).status_code == 413


@on_sqlite
def test_what_concerns_nobody_is_stored_once_and_ignored(quiet: Installation) -> None:
    strange = [
        event("evt_type", "a.type.of.the.future", new={"deep": [1]}),
        event("evt_one_off", object="invoice", id="in_1", customer="cus_1", parent=None),
        event("evt_customer", "customer.updated", object="customer", id="cus_unknown"),
        event("evt_no_id", "balance.available", object="balance", id=None),
        event("evt_made_up", "coupon.created", object="coupon", id="50 % \ud800/../off"),
        event("evt_path", "customer.updated", object="customer", id="../charges"),
        event("evt_number", "customer.created", object="customer", id="cus_2", balance=10**300),
    ]
    for each in strange:
        for new in (True, False):
            answer = send(quiet, json.dumps(each).encode())
            assert (answer.status_code, answer.json()) == (200, {"new": new})
    quiet.settle()
    # What concerns nobody by its type has no job at all.
    assert {(job.key, job.status, job.result) for job in event_jobs(quiet)} == {
        ("evt_one_off", "done", "booked"), ("evt_customer", "done", "unknown customer"),
    }  # fmt: skip
    assert rows(quiet, InvoiceRow) == []
    assert len(rows(quiet, InboxEvent)) == len(strange)
    assert rows(quiet, Reader) == rows(quiet, Subscription) == []


@on_sqlite
def test_an_object_that_stripe_does_not_know_is_kept_for_the_operator(quiet: Installation) -> None:
    told = event(kind="customer.subscription.updated", object="subscription", id="sub_none")
    send(quiet, json.dumps(told).encode())

    def given_up() -> bool:
        (job,) = event_jobs(quiet)
        if job.status == "waiting" and job.lease is None:
            quiet.clocks.time = max(job.due_at, quiet.clocks.time)
        return job.status != "waiting"

    wait_until(given_up, "the event is given up")
    (job,) = event_jobs(quiet)
    assert (job.status, job.attempts) == ("failed", 5)
    assert "resource_missing" in job.result


@on_sqlite
def test_without_a_secret_there_is_no_endpoint(quiet: Installation, clocks: MovingClocks) -> None:
    settings = quiet.settings.model_copy(update={"stripe_webhook_secret": SecretStr("")})
    app = create_app(settings, gateway=gateway_of_settings(settings), clocks=clocks)
    payload = json.dumps(event()).encode()
    now = int(clocks.wall().timestamp())
    with serving(app, free_port()) as url:
        for header in (signature(payload, "", now), signature(payload, WEBHOOK_SECRET, now), ""):
            answer = httpx2.post(
                f"{url}{ADDRESS}",
                content=payload,
                headers={"Stripe-Signature": header},
                timeout=PATIENCE,
            )
            assert answer.status_code == 404
