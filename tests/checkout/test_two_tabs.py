"""Two tabs before any cookie: both are paid, one subscription is kept and the other given back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.db.tables import AuditEntry, Reader, Subscription
from service.settings import Settings
from tests.account.known_reader import Site, mailing_site
from tests.checkout.rows import DAY, rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import wait_until
from tests.served import Installation


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Site]:
    with mailing_site(settings, clocks) as made:
        yield made


def refunds(site: Installation) -> list[dict[str, Any]]:
    return site.simulator.world.store.find("refund", [])


@on_sqlite
def test_paid_twice_by_who_was_nobody_yet(site: Site) -> None:
    at = site.at
    body = {"offer": at.offers["monthly"], "return_to": "/articles/a"}
    with at.new_browser() as first, at.new_browser() as second, ThreadPoolExecutor(2) as pool:
        tabs = (first, second)
        started = list(pool.map(lambda tab: tab.post("/v1/checkout", json=body).json(), tabs))
    sessions = [each["session_id"] for each in started]
    assert len(set(sessions)) == 2
    # Both answers end in one browser, which has one cookie for the claim: that of the last.
    at.browser.cookies.set("pw_checkout", started[1]["claim"], domain="127.0.0.1")
    for session_id in sessions:
        assert at.pay(session_id).status_code == 200
        at.settle()
        at.clocks.travel(DAY / 24)
    pages = [at.browser.get("/v1/checkout/return", params={"session_id": s}) for s in sessions]
    assert [page.status_code for page in pages] == [200, 303]
    assert at.unlock("a").json()["reason"] == "subscription"
    assert len(rows(at, Reader)) == 2
    assert {each.status for each in rows(at, Subscription)} == {"active"}

    # The other tab's purchase has the same address: the reader sees it, and takes it over.
    site.sign_in(at.browser, "ana@example.org")
    (offered,) = at.browser.get("/v1/me").json()["purchases"]
    assert at.browser.post(f"/v1/me/purchases/{offered['id']}").status_code == 204

    def given_back_at_last() -> bool:
        at.settle()
        return bool(refunds(at)) and "canceled" in {each.status for each in rows(at, Subscription)}

    wait_until(given_back_at_last, "the one that was taken over is refunded and canceled")
    joined, own = sorted(rows(at, Subscription), key=lambda each: each.started_at)
    assert (joined.status, own.status) == ("canceled", "active")
    assert joined.reader_id == own.reader_id
    (refund,) = refunds(at)
    assert (refund["amount"], refund["metadata"]["reason"]) == (900, "duplicate")
    assert at.unlock("a").json()["reason"] == "subscription"
    actions = {each.action for each in rows(at, AuditEntry) if each.actor == "system"}
    assert actions
    assert at.start_checkout().status_code == 409
