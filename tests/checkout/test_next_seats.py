"""Fewer seats from the next payment on: what is agreed with Stripe, who loses theirs, and who is told."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, select, update

from service.billing import sync
from service.billing.seats import end_seat, held_seats, take_seat
from service.billing.seats import invite as invite_to
from service.checkout.seat_number import set_next_number
from service.db.session import Database
from service.db.tables import Grant, Mail, Seat, Subscription
from service.problems import Problem
from service.settings import Settings
from tests.billing.desk import Desk, desk_on
from tests.checkout.test_portal import sell_seats
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.stripe_at_hand import URL, gateway_to
from tests.wire import Wire


class Refusing(Wire):
    """A Stripe that changes no number of seats."""

    def request(self, method: str, url: str, *given: Any, **named: Any) -> Any:
        if method.upper() == "POST" and urlsplit(url).path.startswith("/v1/subscription_items/"):
            error = {"type": "invalid_request_error", "message": "This item can't have it."}
            return json.dumps({"error": error}), 400, {}
        return super().request(method, url, *given, **named)


class WithoutLines(Wire):
    """A Stripe whose list of invoices leaves their lines out."""

    def request(self, method: str, url: str, *given: Any, **named: Any) -> Any:
        body, status, said = super().request(method, url, *given, **named)
        if urlsplit(url).path == "/v1/invoices":
            listed = json.loads(body)
            for each in listed["data"]:
                each["lines"] |= {"data": [], "has_more": True}
            body = json.dumps(listed)
        return body, status, said


class Outrun(Wire):
    """Others store the subscription anew whenever it is fetched."""

    def __init__(self, team: "Team") -> None:
        super().__init__(team.desk.at_stripe.simulator.world)
        self._team = team

    async def request_async(self, method: str, url: str, *given: Any, **named: Any) -> Any:
        answer = await super().request_async(method, url, *given, **named)
        if urlsplit(url).path == f"/v1/subscriptions/{self._team.subscription}":
            async with self._team.desk.database.transaction() as session:
                newer = {"version": Subscription.version + 1}
                await session.execute(update(Subscription).values(newer))
        return answer


@dataclass
class Team:
    """A team of three seats at a desk: Ana pays, Bea and Cleo have joined, Cleo last."""

    desk: Desk
    owner: str
    subscription: str
    seats: dict[str, str]

    async def set_next(self, number: int, wire: Wire | None = None) -> None:
        """`wire`: to another Stripe than the desk's."""
        gateway = gateway_to(URL, http=wire) if wire is not None else self.desk.gateway
        await set_next_number(self.desk.context, gateway, reader_id=self.owner, seats=number)

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
async def test_an_owner_is_told_what_to_do_where_the_number_stays(team: Team) -> None:
    with pytest.raises(Problem) as refused:
        await team.set_next(2, Refusing(team.desk.at_stripe.simulator.world))
    assert refused.value.slug == "no-seats"
    assert "write to the newsroom" in str(refused.value.detail)
    with pytest.raises(Problem) as refused:
        await team.set_next(2, Outrun(team))
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
async def test_lines_that_a_list_of_invoices_leaves_out_are_read(team: Team) -> None:
    await team.set_next(2, WithoutLines(team.desk.at_stripe.simulator.world))
    row = await team.desk.row(team.subscription)
    assert (row.seats, row.next_seats) == (3, 2)


@on_sqlite
@pytest.mark.parametrize("is_to_end", [False, True])
async def test_seats_that_are_billed_later_are_had_until_the_end(
    team: Team, *, is_to_end: bool
) -> None:
    """Of more changes than Stripe shows with an invoice, and of a subscription without a next one."""
    for number in (4, 3) * 5 + (5,):
        team.change_at_stripe(number)
        team.desk.travel(minutes=1)
    team.desk.stripe.subscriptions.update(team.subscription, {"cancel_at_period_end": is_to_end})
    await team.sync()
    await team.set_next(2)
    row = await team.sync()
    assert (team.quantity(), row.seats) == (2, 5)
    assert row.next_seats == (None if is_to_end else 2)
