"""Webhooks: at least once, retried, given up at last; and starting and stopping around them."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import stripe

from service.simulator.app import DeliveryRules, WebhookTarget, create_simulator
from service.simulator.delivery import signature
from tests.conftest import MovingClocks
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.served import serving
from tests.simulator.document import StripeDocument
from tests.simulator.local import KEY, SECRET, Host, LocalStripe, local_stripe


def test_a_signature_is_the_one_the_sdk_expects() -> None:
    header = signature(b'{"id": "evt_1"}', SECRET, 1_700_000_000)
    assert stripe.WebhookSignature.verify_header('{"id": "evt_1"}', header, SECRET)
    both = signature(b'{"id": "evt_1"}', "whsec_new", 1_700_000_000, SECRET)
    for secret in ("whsec_new", SECRET):
        assert stripe.WebhookSignature.verify_header('{"id": "evt_1"}', both, secret)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header('{"id": "evt_2"}', header, SECRET)


def test_a_refused_event_is_sent_again_until_it_is_taken(local: LocalStripe) -> None:
    local.receiver.answer = lambda _event, before: 500 if before < 2 else 200
    local.v1.customers.create({})
    local.deliver()
    assert local.receiver.events == []
    [event] = local.v1.events.list().data
    assert event.pending_webhooks == 1
    for wait in (1, 5):
        local.clocks.travel(timedelta(seconds=wait))
        local.deliver()
    assert local.receiver.arrivals[event.id] == 3
    assert local.receiver.types == ["customer.created"]
    assert local.v1.events.retrieve(event.id).pending_webhooks == 0
    local.clocks.travel(timedelta(days=1))
    local.deliver()
    assert local.receiver.arrivals[event.id] == 3


def test_one_event_in_trouble_holds_up_no_other(local: LocalStripe) -> None:
    local.receiver.answer = lambda event, _: 500 if event["type"] == "customer.created" else 200
    local.subscribe()
    local.deliver()
    assert "checkout.session.completed" in local.receiver.types
    assert "customer.created" not in local.receiver.types


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_an_event_is_given_up_at_last_and_shows_it(
    host: Host, found_document: StripeDocument | None, status: int
) -> None:
    rules = DeliveryRules(retry_after=(1, 1))
    with local_stripe(host, MovingClocks(), found_document, delivery=rules) as local:
        local.receiver.answer = lambda _event, _before: status
        local.v1.customers.create({})
        for _ in range(5):
            local.deliver()
            local.clocks.travel(timedelta(seconds=1))
        [event] = local.v1.events.list().data
        assert local.receiver.arrivals[event.id] == 3
        assert local.queued() == 1


def test_webhooks_go_out_by_themselves(local: LocalStripe) -> None:
    local.v1.customers.create({})
    wait_until(lambda: local.receiver.types == ["customer.created"], "the event comes")


def test_no_connection_is_used_again_that_the_receiver_may_be_closing(local: LocalStripe) -> None:
    for many in (1, 2):
        local.v1.customers.create({})
        wait_until(lambda: len(local.receiver.events) == many, "the event comes")  # noqa: B023 at once
    assert len(local.receiver.connections) == 2


def test_endpoints_get_the_events_they_asked_for(
    host: Host, found_document: StripeDocument | None
) -> None:
    with local_stripe(host, MovingClocks(), found_document, targets=()) as local:
        made = local.v1.webhook_endpoints.create(
            {
                "url": f"{local.url}/hooks",
                "enabled_events": ["customer.created"],
                "description": "Customers only",
                "metadata": {"a": "b"},
            }
        )
        assert made.secret.startswith("whsec_")
        local.simulator.world.store.put(
            {
                **(local.simulator.world.store.get(made.id) or {}),
                "_sim": {"secret": SECRET},
            }
        )
        customer = local.v1.customers.create({})
        local.v1.customers.update(customer.id, {"name": "Ana"})
        local.deliver()
        assert local.receiver.types == ["customer.created"]
        local.v1.webhook_endpoints.update(made.id, {"enabled_events": ["*"]})
        local.v1.customers.update(customer.id, {"name": "Bea"})
        local.deliver()
        assert local.receiver.types == ["customer.created", "customer.updated"]
        assert local.v1.webhook_endpoints.update(made.id, {"disabled": True}).status == "disabled"
        local.v1.customers.create({})
        local.deliver()
        assert len(local.receiver.events) == 2
        [kept] = local.v1.webhook_endpoints.list().data
        assert "secret" not in kept
        assert local.v1.webhook_endpoints.retrieve(made.id).description == "Customers only"
        assert local.v1.webhook_endpoints.delete(made.id).deleted
        assert local.v1.webhook_endpoints.list().data == []
        refused: list[dict[str, object]] = [
            {"url": "ftp://x"},
            {"url": "http://[::1"},
            {"url": "http://a:99999/"},
            {"url": "https://"},
            {"enabled_events": []},
            {"api_version": "2020-08-27"},
        ]
        for wrong in refused:
            with pytest.raises(stripe.InvalidRequestError):
                local.v1.webhook_endpoints.create(
                    {"url": f"{local.url}/hooks", "enabled_events": ["*"], **wrong}
                )


def test_events_are_listed_for_thirty_days(local: LocalStripe) -> None:
    customer = local.v1.customers.create({})
    for name in ("Ana", "Bea", "Cai"):
        local.v1.customers.update(customer.id, {"name": name})
    every = [event.id for event in local.v1.events.list({"limit": 2}).auto_paging_iter()]
    assert len(every) == 4
    oldest_first = local.v1.events.list({"ending_before": every[-1], "limit": 2})
    assert [event.id for event in oldest_first.data] == every[1:3]
    updates = local.v1.events.list({"type": "customer.updated"})
    assert [event.data.object.name for event in updates.data] == ["Cai", "Bea", "Ana"]
    both = local.v1.events.list({"types": ["customer.updated", "customer.created"]})
    assert len(both.data) == 4
    local.move(days=31)
    assert local.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.events.retrieve(every[0])


def test_everything_survives_a_restart(
    host: Host, found_document: StripeDocument | None, tmp_path: Path
) -> None:
    clocks, file = MovingClocks(), tmp_path / "new" / "stripe.db"
    with local_stripe(host, clocks, found_document, database=file) as local:
        local.receiver.answer = lambda _event, _before: 500
        local.move(days=100)
        bought = local.subscribe()
        open_session = local.session()
        local.v1.customers.create({"name": "Ana"}, {"idempotency_key": "one"})
        account, then = local.v1.accounts.retrieve_current().id, local.now
    clocks.travel(timedelta(days=40))
    with local_stripe(host, clocks, found_document, database=file) as local:
        assert local.now == then + 40 * 86_400
        assert local.v1.accounts.retrieve_current().id == account
        renewed = local.v1.subscriptions.retrieve(bought.id)
        assert (renewed.status, renewed.latest_invoice == bought.latest_invoice) == (
            "active",
            False,
        )
        assert local.v1.checkout.sessions.retrieve(open_session.id).status == "expired"
        assert len(local.v1.webhook_endpoints.list().data) == 1
        local.deliver()
        assert local.queued() == 0
        assert local.receiver.types.count("checkout.session.completed") == 1
        assert local.receiver.types.count("invoice.paid") == 2


def test_undelivered_events_follow_a_receiver_that_moved(
    host: Host, found_document: StripeDocument | None, tmp_path: Path
) -> None:
    file = tmp_path / "stripe.db"
    with local_stripe(host, MovingClocks(), found_document, database=file) as local:
        local.receiver.answer = lambda _event, _before: 500
        local.v1.customers.create({})
        local.deliver()
    moved = MovingClocks()
    moved.travel(timedelta(minutes=1))
    with local_stripe(
        host, moved, found_document, database=file, targets=("/hooks/elsewhere",)
    ) as local:
        [endpoint] = local.v1.webhook_endpoints.list().data
        assert endpoint.url == f"{local.url}/hooks/elsewhere"
        local.deliver()
        assert local.receiver.types == ["customer.created"]
        assert local.queued() == 0


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a receiver that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_stopping_is_quick_while_a_receiver_hangs(hanging: str, tmp_path: Path) -> None:
    clocks = MovingClocks()
    simulator = create_simulator(
        database=tmp_path / "stripe.db",
        public_url="http://127.0.0.1",
        wall_now=clocks.wall,
        endpoints=[WebhookTarget(hanging, SECRET)],
        delivery=DeliveryRules(timeout=10 * PATIENCE),
    )
    # It must stop before the receiver's time is over; `serving` waits no longer.
    with serving(simulator, free_port()) as url:
        with httpx2.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=PATIENCE) as client:
            for _ in range(20):
                assert client.post(f"{url}/v1/customers").status_code == 200
        wait_until(lambda: len(simulator._courier._tries) == 8, "eight deliveries are begun")


async def test_start_and_stop_may_be_repeated_and_left_out(hanging: str) -> None:
    simulator = create_simulator(
        database=None,
        public_url="http://127.0.0.1",
        wall_now=MovingClocks().wall,
        endpoints=[WebhookTarget(hanging, SECRET)],
        delivery=DeliveryRules(timeout=0.2),
    )
    with simulator.world.transaction():
        simulator.world.emit("customer.created", {"id": "cus_1", "object": "customer"})
    assert await simulator.deliver_pending() == 0
    await simulator.start()
    await simulator.start()
    with simulator.world.transaction():
        simulator.world.emit("customer.created", {"id": "cus_2", "object": "customer"})
    waiting = asyncio.create_task(simulator.deliver_pending())
    await asyncio.sleep(0.01)
    await simulator.stop()
    await simulator.stop()
    assert await waiting == 0


async def test_delivering_without_start_counts_what_was_taken(
    host: Host, local: LocalStripe
) -> None:
    simulator = create_simulator(
        database=None,
        public_url="http://127.0.0.1",
        wall_now=local.clocks.wall,
        endpoints=[WebhookTarget(f"{host.url}/hooks", SECRET)],
    )
    assert await simulator.deliver_pending() == 0
    with simulator.world.transaction():
        simulator.world.emit("product.deleted", _deleted_product(local))
    assert await simulator.deliver_pending() == 1
    assert await simulator.deliver_pending() == 0
    await simulator.stop()
    assert "product.deleted" in local.receiver.types


def _deleted_product(local: LocalStripe) -> dict[str, object]:
    product = local.v1.products.create({"name": "Digital"})
    shown: dict[str, object] = product.to_dict()
    return shown
