"""Gift subscriptions beside a subscription: which waits for which, and what is arranged anew."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from service.billing import gift_rounds
from service.billing.gift_rounds import ARRANGE
from service.db.tables import GiftSubscription, Grant, Job
from service.settings import Settings
from tests.checkout.gifts import (
    ADMIN,
    QUARTER,
    buy,
    friend,
    gift_shop,
    look,
    reason,
    redeem,
    waiting,
)
from tests.checkout.rows import DAY, rows, sell
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with gift_shop(settings, clocks) as made:
        yield made


@on_sqlite
def test_a_gift_waits_while_its_reader_subscribes_and_no_day_is_lost(site: Installation) -> None:
    gift = buy(site)
    bea = friend(site)
    redeem(gift, bea)
    site.travel(10 * DAY)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    look(site)
    assert reason(site, bea) == "subscription"
    (row,) = rows(site, GiftSubscription)
    (own,) = (each for each in rows(site, Grant) if each.source == "subscription")
    assert (row.starts_at, row.ends_at) == (own.ends_at, own.ends_at + 80 * DAY)
    (subscription,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(subscription["id"])
    site.settle()
    look(site)
    now = site.clocks.business()
    assert reason(site, bea) == "gift"
    (row,) = rows(site, GiftSubscription)
    assert (row.starts_at, row.ends_at) == (now, now + 80 * DAY)


def test_only_gifts_that_have_to_move_are_arranged(site: Installation) -> None:
    """Neither one in its place, nor the one behind it, nor one that nothing moves any more."""
    bea = friend(site)
    for _ in range(2):
        site.subscribe("quarter", gift={})
        site.travel(DAY)
    gifts = site.browser.get("/v1/me/gift-subscriptions").json()["items"]
    for gift in gifts:
        redeem(gift, bea)
    assert waiting(site) == []
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    look(site)
    first, second = sorted((each.starts_at, each.ends_at) for each in rows(site, GiftSubscription))
    (own,) = (each for each in rows(site, Grant) if each.source == "subscription")
    assert (first[0], second[0]) == (own.ends_at, first[1])
    assert waiting(site) == []
    staff = {"Authorization": f"Bearer {site.api_key}"}
    for gift in gifts:
        assert site.browser.delete(f"{ADMIN}/{gift['id']}", headers=staff).status_code == 204
    with sdk(site.stripe_url) as stripe:
        (subscription,) = site.simulator.world.store.find("subscription", [])
        stripe.subscriptions.cancel(subscription["id"])
    site.settle()
    assert waiting(site) == []


@on_sqlite
def test_a_gift_that_cant_be_moved_is_tried_again_while_it_has_to(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    gift, bea = buy(site), friend(site)
    redeem(gift, bea)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()

    async def fail(*_: object) -> None:
        raise LookupError

    def tried(minutes: int) -> tuple[str, int]:
        site.clocks.travel(timedelta(minutes=minutes))
        look(site)
        (job,) = (each for each in rows(site, Job) if each.kind == ARRANGE)
        return job.status, job.attempts

    with monkeypatch.context() as broken:
        broken.setattr(gift_rounds, "arrange_gifts", fail)
        first = [tried(minutes) for minutes in (0, 1, 5, 30)]
        assert first == [("waiting", attempts) for attempts in (1, 2, 3, 4)]
        then = [tried(minutes) for minutes in (120, 119, 1)]
        assert then == [("failed", attempts) for attempts in (5, 5, 6)]
    assert len(waiting(site)) == 1
    assert tried(120)[0] == "done"
    assert waiting(site) == []


@on_sqlite
def test_a_gift_of_another_plan_runs_beside_a_subscription(site: Installation) -> None:
    sell(site, "quarter", **QUARTER, plan="all")
    gift, bea = buy(site), friend(site)
    site.browser = bea
    site.subscribe("monthly")
    site.settle()
    assert redeem(gift, bea).json()["state"] == "running"
    look(site)
    (row,) = rows(site, GiftSubscription)
    assert row.starts_at <= site.clocks.business()


def test_taking_back_redeeming_and_arranging_at_once_never_fail(site: Installation) -> None:
    staff = {"Authorization": f"Bearer {site.api_key}"}
    gift, bea = buy(site), friend(site)
    answers: list[int] = []

    def revoke() -> None:
        browser = site.new_browser()
        answers.append(browser.delete(f"{ADMIN}/{gift['id']}", headers=staff).status_code)

    works = [lambda: answers.append(redeem(gift, bea).status_code), revoke, revoke]
    threads = [threading.Thread(target=each) for each in (*works, lambda: look(site))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(set(answers)) in ([200, 204], [204, 409])
    assert reason(site, bea) == "subscribers_only"
