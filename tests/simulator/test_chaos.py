"""Disturbed delivery, failing answers and rolled secrets: each repeats, and each can be told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from service.simulator.app import ChaosRules, Simulator, WebhookTarget, create_simulator
from tests.conftest import MovingClocks
from tests.patience import PATIENCE, wait_until
from tests.simulator.document import StripeDocument
from tests.simulator.local import KEY, SECRET, Host, LocalStripe, local_stripe


def switch(local: LocalStripe, rules: dict[str, Any]) -> Any:
    """Disturb deliveries from now on."""
    answer = local.browser.post("/_sim/chaos", json=rules)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def heard(host: Host, local: LocalStripe, rules: ChaosRules, count: int) -> list[int]:
    """In which order (and how often) numbered events of a new world arrive at once."""
    simulator = create_simulator(
        database=None,
        public_url="http://127.0.0.1",
        wall_now=local.clocks.wall,
        endpoints=[WebhookTarget(f"{host.url}/hooks", SECRET)],
        chaos=rules,
    )
    product = local.v1.products.create({"name": "Digital"}).to_dict()
    local.deliver()
    local.receiver.events.clear()
    for number in range(count):
        with simulator.world.transaction():
            simulator.world.emit("product.created", {**product, "metadata": {"n": str(number)}})
    arrived = await simulator.deliver_pending()
    await simulator.stop()
    numbers = [int(event["data"]["object"]["metadata"]["n"]) for event in local.receiver.events]
    assert arrived == len(numbers)
    return numbers


async def test_a_run_repeats_and_another_seed_differs(host: Host, local: LocalStripe) -> None:
    storm = ChaosRules(seed=7, shuffle=True, duplicate=0.2, delay=0.3, drop=0.1)
    first = await heard(host, local, storm, 40)
    assert await heard(host, local, storm, 40) == first
    assert await heard(host, local, replace(storm, seed=8), 40) != first
    assert first != sorted(first)
    assert len(set(first)) < min(len(first), 40)


async def test_each_disturbance_does_what_it_says(host: Host, local: LocalStripe) -> None:
    every = list(range(20))
    assert await heard(host, local, ChaosRules(seed=1), 20) == every
    assert await heard(host, local, ChaosRules(seed=1, delay=1), 20) == []
    assert await heard(host, local, ChaosRules(seed=1, drop=1), 20) == []
    shuffled = await heard(host, local, ChaosRules(seed=1, shuffle=True), 20)
    assert sorted(shuffled) == every
    assert shuffled != every
    doubled = await heard(host, local, ChaosRules(seed=1, duplicate=1), 20)
    assert sorted(doubled) == sorted(every * 2)


def test_what_is_dropped_is_listed_and_never_comes(local: LocalStripe) -> None:
    switch(local, {"seed": 1, "drop": 1})
    local.v1.customers.create({})
    local.browser.post("/_sim/deliver", params={"release": "true"})
    local.move(days=2)
    [event] = local.v1.events.list().data
    assert event.pending_webhooks == 1
    assert local.receiver.events == []


def test_what_is_held_back_comes_when_it_is_released(local: LocalStripe) -> None:
    switch(local, {"seed": 1, "delay": 1})
    local.v1.customers.create({})
    local.deliver()
    assert (local.receiver.events, local.queued()) == ([], 1)
    local.browser.post("/_sim/deliver", params={"release": "true"})
    assert (local.receiver.types, local.queued()) == (["customer.created"], 0)


async def test_what_is_held_back_survives_a_restart(
    host: Host, local: LocalStripe, tmp_path: Path
) -> None:
    product = local.v1.products.create({"name": "Digital"}).to_dict()

    def started(chaos: ChaosRules | None) -> Simulator:
        return create_simulator(
            database=tmp_path / "stripe.db",
            public_url="http://127.0.0.1",
            wall_now=local.clocks.wall,
            endpoints=[WebhookTarget(f"{host.url}/hooks", SECRET)],
            chaos=chaos,
        )

    first = started(ChaosRules(seed=1, delay=1))
    with first.world.transaction():
        first.world.emit("product.created", product)
    assert await first.deliver_pending() == 0
    await first.stop()
    second = started(None)
    second.advance_to(local.clocks.wall() + timedelta(days=1))
    assert await second.deliver_pending() == 1
    await second.stop()


def test_deliveries_overtake_each_other_in_the_background_too(local: LocalStripe) -> None:
    switch(local, {"seed": 2, "shuffle": True})
    local.subscribe()
    sent = [event.id for event in local.v1.events.list({"limit": 100}).data][::-1]
    wait_until(lambda: len(local.receiver.events) == len(sent), "every event comes")
    assert [event["id"] for event in local.receiver.events] != sent


def test_what_is_held_back_comes_as_world_time_passes(local: LocalStripe) -> None:
    switch(local, {"seed": 3, "delay": 1})
    for _ in range(10):
        local.v1.customers.create({})
    local.deliver()
    assert local.receiver.events == []
    local.move(hours=12)
    assert 0 < len(local.receiver.events) < 10
    local.move(hours=12)
    assert len(local.receiver.events) == 10


def test_switching_it_off_lets_everything_go(local: LocalStripe) -> None:
    assert switch(local, {"seed": 3, "delay": 1})["delay"] == 1
    local.v1.customers.create({})
    local.deliver()
    assert switch(local, {}) == {}
    local.deliver()
    assert local.receiver.types == ["customer.created"]
    assert local.browser.get("/_sim/chaos").json() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "7"},
        {"seed": True},
        {"seed": 1, "drop": 2},
        {"seed": 1, "delay": "often"},
        {"seed": 1, "shuffle": 1},
        {"seeds": 1},
    ],
)
def test_rules_that_make_no_sense_are_refused(local: LocalStripe, wrong: dict[str, Any]) -> None:
    assert local.browser.post("/_sim/chaos", json=wrong).status_code == 400
    assert local.browser.post("/_sim/chaos", content=b"[]").status_code == 400
    assert local.browser.get("/_sim/chaos").json() == {}


def test_events_tell_whether_they_were_delivered(local: LocalStripe) -> None:
    local.receiver.answer = lambda event, _: 500 if event["type"] == "product.created" else 200
    local.v1.products.create({"name": "Digital"})
    local.v1.customers.create({})
    local.deliver()
    for delivered, kind in ((True, "customer.created"), (False, "product.created")):
        found = local.v1.events.list({"delivery_success": delivered})
        assert [event.type for event in found.data] == [kind]


def test_an_old_secret_signs_for_a_while(local: LocalStripe) -> None:
    [endpoint] = local.v1.webhook_endpoints.list().data
    rolled = local.browser.post(f"/_sim/endpoints/{endpoint.id}/roll", json={"keep_for": 3600})
    assert rolled.json()["secret"].startswith("whsec_")
    local.v1.customers.create({})
    local.deliver()
    assert local.receiver.faults == []  # it still knows the old secret alone
    local.move(hours=2)
    local.v1.customers.create({})
    local.deliver()
    assert len(local.receiver.faults) == 1
    assert "signatures" in local.receiver.faults.pop()
    for wrong in ({"keep_for": -1}, {"keep_for": "long"}):
        path = f"/_sim/endpoints/{endpoint.id}/roll"
        assert local.browser.post(path, json=wrong).status_code == 400
    assert local.browser.post("/_sim/endpoints/we_none/roll").status_code == 404


def test_two_endpoints_get_their_own_events(
    host: Host, found_document: StripeDocument | None
) -> None:
    with local_stripe(
        host, MovingClocks(), found_document, targets=("/hooks/a", "/hooks/b")
    ) as local:
        first, _ = local.v1.webhook_endpoints.list().data
        local.v1.customers.create({})
        [event] = local.v1.events.list().data
        local.deliver()
        assert local.receiver.arrivals[event.id] == 2
        local.v1.webhook_endpoints.update(first.id, {"disabled": True})
        local.v1.customers.create({})
        local.deliver()
        assert len(local.receiver.events) == 3


def fault(local: LocalStripe, **entries: Any) -> None:
    """Ask for a fault."""
    answer = local.browser.post("/_sim/faults", json=entries)
    assert answer.status_code == 200, answer.text


def test_answers_fail_as_asked_for_and_only_then(local: LocalStripe) -> None:
    fault(local, kind="500", match="POST /v1/customers", next=2)
    fault(local, kind="429", match="GET /v1/customers/*")
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            local.v1.customers.create({})
    made = local.v1.customers.create({})
    with pytest.raises(stripe.RateLimitError):
        local.v1.customers.retrieve(made.id)
    assert len(local.v1.customers.list().data) == 1
    assert local.browser.get("/_sim/faults").json() == {"waiting": []}


def test_an_answer_is_lost_and_its_key_finds_it_again(local: LocalStripe) -> None:
    fault(local, kind="lose_answer", match="POST /v1/customers")
    options = {"idempotency_key": "one-click"}
    with pytest.raises(stripe.APIConnectionError):
        local.v1.customers.create({}, options)
    [done] = local.v1.customers.list().data
    assert local.v1.customers.create({}, options).id == done.id


def test_a_slow_answer_comes_after_all(local: LocalStripe) -> None:
    fault(local, kind="slow", match="GET /v1/customers", seconds=1)
    with pytest.raises(httpx2.ReadTimeout):
        local.browser.get(
            "/v1/customers",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=httpx2.Timeout(PATIENCE, read=0.1),
        )
    fault(local, kind="slow", seconds=0.01)
    assert local.v1.customers.list().data == []


def test_faults_are_taken_back_and_checked(local: LocalStripe) -> None:
    fault(local, kind="500", next=100)
    fault(local)
    assert local.v1.customers.list().data == []
    for wrong in (
        {"kind": "flood"},
        {"kind": "500", "next": 0},
        {"kind": "500", "match": 1},
        {"kind": "slow", "seconds": 999},
        {"kind": "slow", "seconds": "long"},
        {"kind": "500", "often": True},
    ):
        assert local.browser.post("/_sim/faults", json=wrong).status_code == 400
