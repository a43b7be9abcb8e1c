"""How often Stripe is asked for a caller: what an attacker gets, and what everybody else still gets."""

from collections.abc import Iterator

import httpx2
import pytest

from service.settings import Settings
from tests.checkout.rows import sign_in
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation

pytestmark = on_sqlite
ATTACKER, VICTIM = "203.0.113.7", "198.51.100.7"


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """Two calls an hour for a reader or device, twenty for those unknown in a network."""
    update = {"checkouts_per_hour": 2, "trusted_proxies": ("127.0.0.1",)}
    with installation(settings.model_copy(update=update), clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def buy(site: Installation, browser: httpx2.Client, address: str, **fields: str) -> httpx2.Response:
    body = {"offer": site.offers["monthly"], "return_to": "/", **fields}
    return browser.post("/v1/checkout", json=body, headers={"X-Forwarded-For": address})


def test_a_network_that_makes_devices_up_is_refused_and_nobody_else(site: Installation) -> None:
    statuses, asked = [], len(site.simulator.world.store.find("checkout.session", []))
    for n in range(25):
        with site.new_browser() as attacker:
            code = buy(site, attacker, ATTACKER, promotion_code=f"GUESS{n}")
            statuses.append(code.status_code)
    assert statuses == [422] * 20 + [429] * 5
    assert code.json()["type"] == "/problems/too-many-requests"
    assert int(code.headers["Retry-After"]) <= 3600
    assert len(site.simulator.world.store.find("checkout.session", [])) == asked
    # A victim elsewhere buys, and so does a reader who is signed in on the attacker's network.
    with site.new_browser() as elsewhere:
        assert buy(site, elsewhere, VICTIM).status_code == 201
    sign_in(site)
    assert buy(site, site.browser, ATTACKER).status_code == 201


def test_one_device_is_refused_before_its_network(site: Installation) -> None:
    site.unlock("a")  # gets the device's cookie
    statuses = [buy(site, site.browser, ATTACKER).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    with site.new_browser() as neighbour:
        assert buy(site, neighbour, ATTACKER).status_code == 201


def test_made_up_sessions_are_limited_too(site: Installation) -> None:
    with site.new_browser() as attacker:
        headers = {"X-Forwarded-For": ATTACKER}
        pages = [
            attacker.get(f"/v1/checkout/return?session_id=cs_test_{n}", headers=headers)
            for n in range(21)
        ]
    assert [page.status_code for page in pages] == [404] * 20 + [429]
    assert "If you have paid, nothing is lost" in pages[-1].text
