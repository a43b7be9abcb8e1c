"""Seats: given to others, taken, asked for, left, and over with the subscription."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from service.db.session import Database
from service.db.tables import Grant, Mail, Reader, Seat, Subscription
from service.settings import Settings
from tests.checkout.gifts import friend, reason
from tests.checkout.rows import rows
from tests.checkout.seated import ADMIN, invite, lost_by, seats, set_number, site_with_seats, take
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with site_with_seats(settings, clocks) as made:
        yield made


def confirm(site: Installation, reader_id: str) -> None:
    """As though the reader had confirmed the address."""

    async def act(database: Database) -> None:
        async with database.transaction() as session:
            reader = await session.get_one(Reader, reader_id)
            reader.verified_key, reader.email_verified_at = reader.email, site.clocks.business()

    site.in_database(act)


@on_sqlite
def test_seats_are_given_taken_lowered_and_end_with_the_subscription(site: Installation) -> None:
    (subscription,) = rows(site, Subscription)
    assert (subscription.seats, subscription.amount) == (3, 1500)
    assert (seats(site)["seats"], seats(site)["room"]) == (3, 2)
    bea, cleo = friend(site), friend(site, "cleo@example.org")
    first, second = invite(site, "bea@example.org"), invite(site)
    assert [each.recipient for each in rows(site, Mail) if each.kind == "seat"] == [
        "bea@example.org"
    ]
    full = invite(site)
    assert (full.status_code, full.json()["type"]) == (409, "/problems/no-seats")
    confirm(site, subscription.reader_id)
    assert take(first, site.browser).status_code == 409, "the owner has a seat"
    for _ in range(2):
        assert take(first, bea).json()["plan"] == "digital"
    site.clocks.travel(timedelta(minutes=1))
    assert take(first, cleo).status_code == 409, "it is taken"
    assert take(second, cleo).status_code == 200
    assert reason(site, bea) == reason(site, cleo) == "seat"
    own = next(each for each in rows(site, Grant) if each.source == "subscription")
    given = [each for each in rows(site, Grant) if each.source == "seat"]
    assert {each.ends_at for each in given} == {own.ends_at}

    # Fewer: the one who joined last reads no longer, and the owner is told.
    set_number(site, 2)
    assert (reason(site, bea), reason(site, cleo)) == ("seat", "subscribers_only")
    assert sorted(each["state"] for each in seats(site)["items"]) == ["closed", "joined"]
    assert [each.recipient for each in rows(site, Mail) if each.kind == "seats-closed"] == [
        "ana@example.org"
    ]
    assert lost_by(site) == ["cleo@example.org"]
    set_number(site, 3)
    assert reason(site, cleo) == "seat"

    # The same a week later is news, and is told once.
    site.clocks.travel(timedelta(days=7))
    for _ in range(2):
        set_number(site, 2)
        site.clocks.travel(timedelta(days=1))
    assert len([each for each in rows(site, Mail) if each.kind == "seats-closed"]) == 2
    assert lost_by(site) == ["cleo@example.org"] * 2
    set_number(site, 3)
    assert reason(site, cleo) == "seat"

    # Removed: the seat is free for another one.
    site.browser.delete(f"/v1/me/seats/{first.json()['id']}")
    assert (reason(site, bea), reason(site, cleo)) == ("subscribers_only", "seat")
    assert seats(site)["room"] == 1
    assert lost_by(site)[2:] == ["bea@example.org"]
    (told,) = [
        each
        for each in rows(site, Mail)
        if each.kind == "seat-lost" and each.recipient == "bea@example.org"
    ]
    assert "You have been removed" in told.text
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(subscription.id)
    site.settle()
    assert reason(site, cleo) == "subscribers_only"
    assert invite(site).status_code == 409


def test_many_invitations_at_once_give_no_more_than_there_are(site: Installation) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(invite(site).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [201, 201, 409, 409, 409, 409]
    assert len(rows(site, Seat)) == 2


@on_sqlite
def test_who_invites_and_removes_on_and_on_is_stopped_for_a_day(site: Installation) -> None:
    for _ in range(13):
        seat = invite(site).json()
        site.browser.delete(f"/v1/me/seats/{seat['id']}")
    stopped = invite(site)
    assert (stopped.status_code, "Retry-After" in stopped.headers) == (429, True)
    site.clocks.travel(timedelta(days=1))
    assert invite(site).status_code == 201


@on_sqlite
def test_who_has_a_seat_is_told_so_before_buying_the_same(site: Installation) -> None:
    bea = friend(site)
    take(invite(site), bea)
    body = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
    refused = bea.post("/v1/checkout", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/holds-a-seat")
    page = bea.get("/account").text
    assert "Your seat gives you access to the plan digital" in page
    assert "ana@example.org" not in page, "whose it is stays unsaid"
    assert "Choose an offer" not in page
    site.publish("b", access={"level": "subscribers", "plans": ["gold"]})
    wall = site.unlock("b", bea).json()["wall"]
    assert (wall["audience"], wall["title"]) == ("seat", "Your seat doesn’t include this article")


@on_sqlite
def test_who_has_a_seat_asks_for_more_leaves_it_and_may_buy_again(site: Installation) -> None:
    bea, cleo = friend(site), friend(site, "cleo@example.org")
    seat = invite(site)
    take(seat, bea)
    leave = {"seat": seat.json()["id"]}
    assert cleo.post("/account/seats/leave", data=leave).status_code == 404, "it isn't theirs"
    set_number(site, 1)
    page = bea.get("/account").text
    assert "you have no access" in page
    assert "Choose an offer" in page
    # For whom there is no seat left asks for one: once, with one mail.
    for _ in range(2):
        assert bea.post("/account/seats/ask", data=leave).status_code == 303
    assert bea.post(f"/v1/me/seats/{leave['seat']}/ask").status_code == 204
    assert cleo.post(f"/v1/me/seats/{leave['seat']}/ask").status_code == 404
    mailed = [each.recipient for each in rows(site, Mail) if each.kind == "seat-asked"]
    assert mailed == ["ana@example.org"]
    assert "You asked its owner for more seats on" in bea.get("/account").text
    assert "asked you for a seat on" in site.browser.get("/account/seats").text
    assert "more readers than seats" in bea.get(seat.json()["url"].removeprefix(site.url)).text
    set_number(site, 3)
    assert reason(site, bea) == "seat"
    assert seats(site)["items"][0]["asked_at"] is None
    told = lost_by(site)
    left = bea.post("/account/seats/leave", data=leave)
    assert lost_by(site) == told, "they know"
    assert (left.status_code, left.headers["Location"]) == (303, "/account")
    assert reason(site, bea) == "subscribers_only"
    assert seats(site)["room"] == 2
    page = bea.get("/account").text
    assert "Choose an offer" in page
    assert "Leave this seat" not in page
    assert bea.delete(f"/v1/me/seats/{leave['seat']}").status_code == 204, (
        "repeating changes nothing"
    )


@on_sqlite
def test_pages_invite_take_and_remove_without_a_script(site: Installation) -> None:
    page = site.browser.get("/account/seats").text
    assert "is for 3 readers, including you" in page
    assert "Change the number of seats now" in page
    assert site.browser.post("/account/seats", data={"email": ""}).status_code == 303
    (seat,) = seats(site)["items"]
    path = seat["url"].removeprefix(site.url)
    bea = friend(site)
    assert "Accept invitation" in bea.get(path).text
    assert "Sign in first" in site.new_browser().get(path).text
    assert bea.post(path).status_code == 303
    assert "You have access to" in bea.get(path).text
    assert reason(site, bea) == "seat"
    removed = site.browser.post("/account/seats/remove", data={"seat": seat["id"]})
    assert removed.status_code == 303
    assert reason(site, bea) == "subscribers_only"
    assert "Number of readers" in site.new_browser().get("/account").text
    staff = {"Authorization": f"Bearer {site.api_key}"}
    (item,) = site.browser.get(ADMIN, headers=staff).json()["items"]
    assert (item["state"], item["owner_id"] != item["reader_id"]) == ("removed", True)
    assert site.browser.delete(f"{ADMIN}/{item['id']}", headers=staff).status_code == 204


def test_the_last_seat_is_taken_once_however_many_hold_a_link(site: Installation) -> None:
    first, second = invite(site), invite(site)
    bea, cleo = friend(site), friend(site, "cleo@example.org")
    set_number(site, 2)
    answers: list[int] = []

    def take_it(seat: httpx2.Response, browser: httpx2.Client) -> None:
        answers.append(take(seat, browser).status_code)

    threads = [
        threading.Thread(target=take_it, args=each) for each in ((first, bea), (second, cleo))
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [200, 409]
    assert sorted((reason(site, bea), reason(site, cleo))) == ["seat", "subscribers_only"]
    assert not [each for each in rows(site, Mail) if each.kind == "seats-closed"]
    late, seat = (cleo, second) if reason(site, bea) == "seat" else (bea, first)
    page = late.get(seat.json()["url"].removeprefix(site.url)).text
    assert "All seats of this subscription are taken" in page
    # The page says why, and what it says is what taking answers.
    assert take(seat, late).json()["detail"] in page


@on_sqlite
def test_a_seat_of_an_erased_reader_is_free_again_and_opens_nothing(site: Installation) -> None:
    seat, bea = invite(site), friend(site)
    take(seat, bea)
    assert bea.request("DELETE", "/v1/me", json={}).status_code == 204
    assert seats(site)["room"] == 2
    set_number(site, 4)
    now = site.clocks.business()
    (given,) = (each for each in rows(site, Grant) if each.source == "seat")
    assert given.ends_at <= now
    page = friend(site, "cleo@example.org").get(seat.json()["url"].removeprefix(site.url)).text
    assert "This seat was removed" in page
