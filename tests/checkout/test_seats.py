"""Seats: bought by number, given to others, fewer, and over with the subscription."""

import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import delete, select, update

from service.billing import sync
from service.billing.seats import end_seat, held_seats, take_seat
from service.billing.seats import invite as invite_to
from service.checkout import seat_number
from service.checkout.seat_number import set_next_number
from service.db.session import Database
from service.db.tables import Grant, Mail, MovementRow, Offer, Reader, Seat, Subscription
from service.payments.gateway import GatewayRefused
from service.problems import Problem
from service.settings import Settings
from tests.billing.desk import Desk, desk_on
from tests.checkout.rows import rows, sell
from tests.checkout.test_gift_subscriptions import friend, reason
from tests.checkout.test_portal import sell_seats
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation
from tests.stripe_at_hand import Wire, sdk

TEAM: dict[str, Any] = {"amount": 500, "currency": "EUR", "interval": "month", "most_seats": 10}
ADMIN = "/v1/admin/seats"


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """It can mail, and sells a month by the seat; three seats are bought by the site's browser."""
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        sell(made, "team", **TEAM)
        made.subscribe("team", seats=3)
        yield made


def invite(site: Installation, email: str | None = None) -> httpx2.Response:
    return site.browser.post("/v1/me/seats", json={"email": email} if email else {})


def take(seat: httpx2.Response, browser: httpx2.Client) -> httpx2.Response:
    assert seat.status_code == 201, seat.text
    token = seat.json()["url"].rpartition("/")[2]
    return browser.post(f"/v1/seats/{token}/take")


def seats(site: Installation) -> dict[str, Any]:
    found: dict[str, Any] = site.browser.get("/v1/me/seats").json()
    return found


def confirm(site: Installation, reader_id: str) -> None:
    """As though the reader had confirmed the address."""

    async def act(database: Database) -> None:
        async with database.transaction() as session:
            reader = await session.get_one(Reader, reader_id)
            reader.verified_key, reader.email_verified_at = reader.email, site.clocks.business()

    site.in_database(act)


def set_number(site: Installation, number: int) -> None:
    """As it is changed at Stripe."""
    (subscription,) = site.simulator.world.store.find("subscription", [])
    (item,) = subscription["items"]["data"]
    site.clocks.travel(timedelta(minutes=1))
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.update(
            subscription["id"], {"items": [{"id": item["id"], "quantity": number}]}
        )
    site.settle()


def lost_by(site: Installation) -> list[str]:
    """Whom a mail told that they lost their seat, in the order of the mails."""
    found = [each for each in rows(site, Mail) if each.kind == "seat-lost"]
    return [each.recipient for each in sorted(found, key=lambda mail: mail.created_at)]


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
    assert "You were removed" in told.text
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(subscription.id)
    site.settle()
    assert reason(site, cleo) == "subscribers_only"
    assert invite(site).status_code == 409


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
    assert "Seats from your next payment on" in site.browser.get("/account/seats").text
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
    assert f"From {day} on" in mailed.text
    (owners,) = [each for each in rows(site, Mail) if each.kind == "seats-closed"]
    assert (owners.recipient, day in owners.text) == ("ana@example.org", True)
    page = re.sub("<.*?>", "", site.browser.get("/account/seats").text)
    assert f"From {day} on it is for 2 readers" in page
    assert f"Reads by this seat until {day}" in page
    assert f"until {day}. From then on" in cleo.get("/account").text
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
    assert "That subscription is over" in last.text


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
    assert "Your seat opens the plan digital" in page
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
    assert "yours opens nothing" in page
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
def test_only_what_is_sold_by_the_seat_has_a_number(site: Installation) -> None:
    for offer, number in (("monthly", 2), ("team", 11)):
        stranger = site.new_browser()
        body = {"offer": site.offers[offer], "return_to": "/", "seats": number}
        assert stranger.post("/v1/checkout", json=body).status_code == 422


@on_sqlite
def test_pages_invite_take_and_remove_without_a_script(site: Installation) -> None:
    page = site.browser.get("/account/seats").text
    assert "is for 3 readers, you among them" in page
    assert "Change the number of seats now" in page
    assert site.browser.post("/account/seats", data={"email": ""}).status_code == 303
    (seat,) = seats(site)["items"]
    path = seat["url"].removeprefix(site.url)
    bea = friend(site)
    assert "Take the seat" in bea.get(path).text
    assert "Sign in first" in site.new_browser().get(path).text
    assert bea.post(path).status_code == 303
    assert "You read" in bea.get(path).text
    assert reason(site, bea) == "seat"
    removed = site.browser.post("/account/seats/remove", data={"seat": seat["id"]})
    assert removed.status_code == 303
    assert reason(site, bea) == "subscribers_only"
    assert "How many readers" in site.new_browser().get("/account").text
    staff = {"Authorization": f"Bearer {site.api_key}"}
    (item,) = site.browser.get(ADMIN, headers=staff).json()["items"]
    assert (item["state"], item["owner_id"] != item["reader_id"]) == ("removed", True)
    assert site.browser.delete(f"{ADMIN}/{item['id']}", headers=staff).status_code == 204


@on_sqlite
def test_an_owner_is_sent_to_the_portal_only_where_it_changes_the_number(
    site: Installation,
) -> None:
    change, ask = "Change the number of seats now", "Ask the newsroom for another number of seats"

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


@dataclass
class Team:
    """A team of three seats at a desk: Ana pays, Bea and Cleo have joined, Cleo last."""

    desk: Desk
    owner: str
    subscription: str
    seats: dict[str, str]

    async def set_next(self, number: int) -> None:
        await set_next_number(
            self.desk.context, self.desk.gateway, reader_id=self.owner, seats=number
        )

    async def sync(self) -> Subscription:
        """Fetched from Stripe; its row then."""
        await sync.sync_subscription(self.desk.context, self.desk.gateway, self.subscription)
        return await self.desk.row(self.subscription)

    def quantity(self) -> int:
        found = self.desk.stripe.subscriptions.retrieve(self.subscription)
        return int(found["items"].data[0].quantity)

    def change_at_stripe(self, number: int) -> None:
        """As in the portal: money goes back."""
        found = self.desk.stripe.subscriptions.retrieve(self.subscription)
        items = [{"id": found["items"].data[0].id, "quantity": number}]
        self.desk.stripe.subscriptions.update(self.subscription, {"items": items})

    async def mailed(self) -> list[tuple[str, str]]:
        """Of seats, by kind and recipient."""
        async with self.desk.database.reading() as session:
            found = await session.scalars(select(Mail).where(Mail.kind.like("seat%-%")))
            return sorted((each.kind, each.recipient) for each in found)

    async def forget_mails(self) -> None:
        """As it is after a month."""
        async with self.desk.database.transaction() as session:
            await session.execute(delete(Mail))

    async def remove(self, name: str) -> None:
        context = self.desk.context
        async with context.database.transaction() as session:
            await end_seat(session, context, self.seats[name], reader_id=self.owner)


@pytest.fixture
async def team(database: Database, settings: Settings, clocks: MovingClocks) -> AsyncIterator[Team]:
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    async with desk_on(database, mailing, clocks) as desk:
        price = await sell_seats(desk)
        owner, customer = await desk.reader()
        bought = desk.subscribe(customer, items=[{"price": price, "quantity": 3}])
        await desk.hear()
        given = {}
        for name in ("bea", "cleo"):
            reader, _ = await desk.reader(f"{name}@example.org")
            async with database.transaction() as session:
                seat = await invite_to(session, desk.context, owner, email=None)
                await take_seat(session, desk.context, seat.id, reader_id=reader)
            given[name] = seat.id
            desk.travel(minutes=1)
        yield Team(desk, owner, bought, given)


@on_sqlite
async def test_seats_that_were_given_back_are_not_had_again_for_nothing(team: Team) -> None:
    team.change_at_stripe(1)  # and nobody has heard of it yet
    with pytest.raises(Problem) as refused:
        await team.set_next(3)
    assert (refused.value.slug, team.quantity()) == ("no-seats", 1)


@on_sqlite
async def test_an_owner_is_told_what_to_do_where_the_number_stays(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(item_id: str, quantity: int) -> None:
        raise GatewayRefused(f"{item_id} can't have {quantity}", "invalid_request")

    async def outdated(*_given: object) -> None:
        raise sync.Outdated

    with monkeypatch.context() as patch:
        patch.setattr(team.desk.gateway, "set_quantity", refuse)
        with pytest.raises(Problem) as refused:
            await team.set_next(2)
    assert refused.value.slug == "no-seats"
    assert "write to the newsroom" in str(refused.value.detail)
    with monkeypatch.context() as patch:
        patch.setattr(seat_number, "sync_subscription", outdated)
        with pytest.raises(Problem) as refused:
            await team.set_next(2)
    assert refused.value.slug == "stripe-unavailable"
    assert team.quantity() == 3


@on_sqlite
async def test_a_seat_that_goes_later_is_told_once_however_often_it_is_looked_at(
    team: Team,
) -> None:
    told = [("seat-lost", "cleo@example.org"), ("seats-closed", "ana@example.org")]
    await team.set_next(2)
    assert await team.mailed() == told
    await team.forget_mails()
    await team.sync()
    assert await team.mailed() == []
    await team.set_next(3)
    await team.set_next(2)
    assert await team.mailed() == told, "it is news again"


@on_sqlite
@pytest.mark.parametrize("at_the_end", [True, False])
async def test_the_end_of_a_subscription_is_told_when_it_ends_and_not_later(
    team: Team, at_the_end: bool
) -> None:
    if at_the_end:
        team.desk.stripe.subscriptions.update(team.subscription, {"cancel_at_period_end": True})
        await team.desk.hear()
        team.desk.travel(days=35)
    else:
        team.desk.stripe.subscriptions.cancel(team.subscription)
        team.desk.travel(days=2)
    await team.desk.hear()
    told = [("seat-lost", "bea@example.org"), ("seat-lost", "cleo@example.org")]
    assert await team.mailed() == told
    await team.forget_mails()
    await team.remove("bea")
    assert await team.mailed() == []


@on_sqlite
async def test_access_that_was_over_before_is_not_told_to_end(team: Team) -> None:
    async with team.desk.database.transaction() as session:
        unpaid_since = team.desk.clocks.business() - timedelta(days=9)
        theirs = Grant.source == "seat", Grant.reference == team.seats["cleo"]
        values = {"starts_at": unpaid_since - timedelta(days=1), "ends_at": unpaid_since}
        await session.execute(update(Grant).where(*theirs).values(values))
    team.desk.stripe.subscriptions.cancel(team.subscription)
    await team.desk.hear()
    assert await team.mailed() == [("seat-lost", "bea@example.org")]


@on_sqlite
async def test_seats_stay_to_the_end_of_a_trial_and_while_the_renewal_is_not_paid_yet(
    team: Team,
) -> None:
    desk = team.desk
    dora, customer = await desk.reader("dora@example.org")
    price = (await desk.row(team.subscription)).price_id
    items = [{"price": price, "quantity": 4}]
    tried = Team(desk, dora, desk.subscribe(customer, items=items, trial_period_days=14), {})
    await desk.hear()
    await tried.set_next(3)
    row = await desk.row(tried.subscription)
    assert (row.seats, row.next_seats, row.next_seats_at) == (4, 3, row.trial_end)
    desk.travel(days=14)
    await tried.sync()
    (first, *_) = desk.stripe.invoices.list({"subscription": tried.subscription}).data
    assert (first.status, first.amount_due) == ("draft", 1500)
    await tried.set_next(2)
    row = await desk.row(tried.subscription)
    assert (row.seats, row.next_seats, row.next_seats_at) == (3, 2, row.current_period_end)


@on_sqlite
async def test_where_all_seats_end_at_once_nobody_reads_that_theirs_goes_before(team: Team) -> None:
    async def before_others(name: str) -> bool:
        async with team.desk.database.reading() as session:
            seat = await session.get_one(Seat, team.seats[name])
            (held,) = await held_seats(session, str(seat.reader_id), team.desk.clocks.business())
        return held.before_others

    def cancel(is_cancelled: bool) -> None:
        changed = {"cancel_at_period_end": is_cancelled}
        team.desk.stripe.subscriptions.update(team.subscription, changed)

    cancel(True)
    await team.set_next(2)
    row = await team.sync()
    assert (team.quantity(), row.seats, row.next_seats) == (2, 3, None)
    assert not await before_others("bea")
    assert not await before_others("cleo")
    assert await team.mailed() == []

    cancel(False)
    row = await team.sync()
    assert (row.seats, row.next_seats) == (3, 2)
    assert not await before_others("bea")
    assert await before_others("cleo")
    told = [("seat-lost", "cleo@example.org"), ("seats-closed", "ana@example.org")]
    assert await team.mailed() == told


@on_sqlite
async def test_lines_that_a_list_of_invoices_leaves_out_are_read(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Wire.request_async

    async def without_lines(wire: Wire, method: str, url: str, *given: Any, **named: Any) -> Any:
        body, status, said = await usual(wire, method, url, *given, **named)
        if urlsplit(url).path == "/v1/invoices":
            listed = json.loads(body)
            for each in listed["data"]:
                each["lines"] |= {"data": [], "has_more": True}
            body = json.dumps(listed).encode()
        return body, status, said

    monkeypatch.setattr(Wire, "request_async", without_lines)
    await team.set_next(2)
    row = await team.desk.row(team.subscription)
    assert (row.seats, row.next_seats) == (3, 2)
