"""The number of seats: bought, changed at Stripe or from the next payment on, and what the pages say."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from service.db.session import Database
from service.db.tables import Mail, MovementRow, Offer, Subscription
from service.settings import Settings
from tests.checkout.gifts import friend, reason
from tests.checkout.rows import rows, sell
from tests.checkout.seated import (
    ADMIN,
    TEAM,
    invite,
    lost_by,
    seats,
    set_number,
    site_with_seats,
    take,
)
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with site_with_seats(settings, clocks) as made:
        yield made


def two_seated(site: Installation) -> tuple[httpx2.Client, httpx2.Client, str]:
    """Bea and Cleo, who joined last, and Cleo's seat."""
    bea, cleo = friend(site), friend(site, "cleo@example.org")
    take(invite(site), bea)
    site.clocks.travel(timedelta(minutes=1))
    second = invite(site)
    take(second, cleo)
    return bea, cleo, second.json()["id"]


@on_sqlite
def test_who_loses_a_seat_and_when_is_said_in_advance(site: Installation) -> None:
    bea, cleo, second = two_seated(site)
    (subscription,) = rows(site, Subscription)
    ends = subscription.current_period_end
    assert "Seats from your next payment" in site.browser.get("/account/seats").text
    too_many = site.browser.put("/v1/me/seats", json={"seats": 4})
    assert (too_many.status_code, too_many.json()["type"]) == (409, "/problems/no-seats")

    for _ in range(2):
        asked = site.browser.post("/account/seats/number", data={"seats": 2})
        assert asked.status_code == 303
        site.settle()
    assert reason(site, bea) == reason(site, cleo) == "seat", "it is paid"
    told = seats(site)
    assert (told["seats"], told["next_seats"]) == (3, 2)
    by_id = {each["id"]: each["ends_at"] for each in told["items"]}
    assert by_id.pop(second) == told["next_seats_at"]
    assert list(by_id.values()) == [None]
    assert lost_by(site) == ["cleo@example.org"]
    day = f"{ends.day} {ends:%B %Y}"
    (mailed,) = [each for each in rows(site, Mail) if each.kind == "seat-lost"]
    assert f"From {day}, “Team” has fewer seats" in mailed.text
    (owners,) = [each for each in rows(site, Mail) if each.kind == "seats-closed"]
    assert (owners.recipient, day in owners.text) == ("ana@example.org", True)
    page = re.sub("<.*?>", "", site.browser.get("/account/seats").text)
    assert f"From {day} it will be for 2 readers" in page
    assert f"Joined, access until {day}" in page
    assert f"until {day}. After that" in cleo.get("/account").text
    staff = {"Authorization": f"Bearer {site.api_key}"}
    listed = site.browser.get(ADMIN, headers=staff).json()["items"]
    assert [each["ends_at"] for each in listed] == [told["next_seats_at"], None]


@on_sqlite
def test_a_seat_that_is_paid_stays_to_the_end_of_its_period(site: Installation) -> None:
    bea, cleo, _ = two_seated(site)
    (subscription,) = rows(site, Subscription)
    ends = subscription.current_period_end
    # Taken back, and asked for anew: the mail says it once.
    assert site.browser.put("/v1/me/seats", json={"seats": 2}).status_code == 204
    assert site.browser.put("/v1/me/seats", json={"seats": 3}).status_code == 204
    assert (seats(site)["next_seats"], reason(site, cleo)) == (None, "seat")
    assert site.browser.put("/v1/me/seats", json={"seats": 2}).status_code == 204
    assert lost_by(site) == ["cleo@example.org"]

    # The period is over: nobody has to hear of it for the seat to close. Nobody is signed out meanwhile.
    for part in (2, 1):
        site.clocks.travel((ends - site.clocks.business()) / part)
        for each in (site.browser, bea, cleo):
            each.get("/v1/me")
    assert (reason(site, bea), reason(site, cleo)) == ("seat", "subscribers_only")
    assert (seats(site)["seats"], seats(site)["next_seats"]) == (2, None)
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.retrieve(subscription.id)  # which renews it
    site.settle()
    (subscription,) = rows(site, Subscription)
    assert (subscription.seats, subscription.next_seats, subscription.amount) == (2, None, 1000)
    assert reason(site, bea) == "seat"
    assert lost_by(site) == ["cleo@example.org"], "they know"

    # With the subscription the others end, and their readers are told.
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(subscription.id)
    site.settle()
    assert reason(site, bea) == "subscribers_only"
    assert lost_by(site) == ["cleo@example.org", "bea@example.org"]
    last = max(
        (each for each in rows(site, Mail) if each.kind == "seat-lost"),
        key=lambda mail: mail.created_at,
    )
    assert "The subscription “Team” has ended" in last.text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_seats_that_cost_more_than_32_bits_are_sold(
    settings: Settings, clocks: MovingClocks
) -> None:
    with installation(settings, clocks) as site:
        site.publish("a", access={"level": "subscribers"})
        sell(site, "team", **{**TEAM, "amount": 99_000_00, "currency": "IDR", "most_seats": 500})
        site.subscribe("team", seats=220)
        (subscription,) = rows(site, Subscription)
        amounts = (subscription.amount, subscription.recurring_amount, subscription.next_amount)
        assert amounts == (2_178_000_000,) * 3
        (movement,) = rows(site, MovementRow)
        assert movement.to_net == 2_178_000_000
        assert reason(site, site.browser) == "subscription"
        headers = {"Authorization": f"Bearer {site.api_key}"}
        summary = site.browser.get("/v1/admin/reports/summary", headers=headers).json()
        (mrr,) = summary["mrr"]["values"]
        assert mrr["amount"] == 2_178_000_000


@on_sqlite
def test_only_what_is_sold_by_the_seat_has_a_number(site: Installation) -> None:
    for offer, number in (("monthly", 2), ("team", 11)):
        stranger = site.new_browser()
        body = {"offer": site.offers[offer], "return_to": "/", "seats": number}
        assert stranger.post("/v1/checkout", json=body).status_code == 422


@on_sqlite
def test_an_owner_is_sent_to_the_portal_only_where_it_changes_the_number(
    site: Installation,
) -> None:
    change, ask = "Change the number of seats now", "Contact us to change the number of seats"

    def shown() -> tuple[bool, bool]:
        page = site.browser.get("/account/seats").text
        return change in page, ask in page

    set_number(site, 1)
    assert shown() == (True, False), "of one seat, too"

    async def put_another_first(database: Database) -> None:
        async with database.transaction() as session:
            (await session.get_one(Offer, site.offers["team"])).position = 1000
            (await session.get_one(Offer, site.offers["larger"])).stripe_price_id = "price_larger"

    sell(site, "larger", **{**TEAM, "most_seats": 50})
    site.in_database(put_another_first)
    assert "Larger (" in site.browser.get("/account").text
    assert shown() == (False, True), "of two offers of one interval the portal takes the first"

    async def archive(database: Database) -> None:
        async with database.transaction() as session:
            larger, team = [
                await session.get_one(Offer, site.offers[each]) for each in ("larger", "team")
            ]
            larger.archived_at = site.clocks.business()
            team.archived_at = None

    site.in_database(archive)
    assert shown() == (True, False)

    async def end(database: Database) -> None:
        async with database.transaction() as session:
            (await session.get_one(Offer, site.offers["team"])).archived_at = site.clocks.business()

    site.in_database(end)
    assert shown() == (False, True), "what is no longer sold isn't in the portal"
