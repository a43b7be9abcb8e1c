"""Figures of past months against what the local Stripe's objects alone say, after a random life.

The service hears of that life as it happens, or imports it afterwards. The figures are written here a second
time, from subscriptions and invoices as Stripe's API lists them, without any row of ours.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from service.billing.import_subscribers import Import, import_subscribers
from service.reports.registry import BY_SLUG
from tests.billing.desk import Desk
from tests.databases import on_sqlite
from tests.reports.figures_asked import asked

Hear = Callable[[Desk, int], Awaitable[None]]


async def as_it_happens(desk: Desk, week: int) -> None:
    await desk.hear()


async def by_an_import(desk: Desk, week: int) -> None:
    """Of the whole life, when it is over."""
    if week < 0:
        run = Import(desk.context, desk.gateway, {}, is_dry=False, actor="test", pauses=())
        await import_subscribers(run)


@on_sqlite
async def test_figures_of_what_was_heard_are_what_stripes_objects_say(desk: Desk) -> None:
    await check(desk, as_it_happens, seed=5, weeks=9)


@pytest.mark.parametrize(
    ("database_url", "seed"), [("sqlite", 2), ("postgresql", 3)], indirect=["database_url"]
)
async def test_figures_of_what_was_imported_are_what_stripes_objects_say(
    desk: Desk, seed: int
) -> None:
    await check(desk, by_an_import, seed=seed, weeks=20)


async def check(desk: Desk, hear: Hear, *, seed: int, weeks: int) -> None:
    first = desk.clocks.business()
    await live(desk, random.Random(seed), hear, weeks)  # noqa: S311 repeatable
    await hear(desk, -1)
    at_stripe = AtStripe.of(desk)
    last = desk.clocks.business().date()
    what = asked(str(first.date().replace(day=1)), str(last), "month", now=desk.clocks.business())
    async with desk.database.reading() as session:
        found = {
            slug: {line.series: line for line in await BY_SLUG[slug].lines(session, what)}
            for slug in ("mrr", "active-subscribers", "subscriber-churn", "trial-conversion")
        }
    changes = 0
    for number, step in enumerate(what.period.steps):
        until = min(step.until, what.now)
        mrr = found["mrr"]["all"].cells[number].value
        assert mrr == at_stripe.mrr(until), step
        active = at_stripe.active(until)
        assert found["active-subscribers"]["all"].cells[number].value == len(active), step
        before = at_stripe.active(step.since)
        lost = at_stripe.lost(step.since, until)
        churn = found["subscriber-churn"]["all"].cells[number]
        assert (churn.part, churn.whole) == (len(lost), len(before)), step
        ended = at_stripe.trials(step.since, until)
        counts = [
            found["trial-conversion"][name].cells[number].value
            for name in ("ended", "paid", "lost")
        ]
        assert counts == [len(ended), ended.count("paid"), ended.count("lost")], step
        changes += len(lost) + len(ended)
    assert changes > 4  # the life had something to count


_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "new": lambda _: {},
    "trial": lambda _: {"trial_period_days": 10},
    "staff": lambda coupon: {"discounts": [{"coupon": coupon}]},
}


async def customer(desk: Desk, email: str, hear: Hear) -> str:
    """Of a reader of ours where the service hears of it, else of nobody's yet."""
    if hear is as_it_happens:
        return (await desk.reader(email))[1]
    return str(desk.stripe.customers.create({"email": email}).id)


async def live(desk: Desk, chance: random.Random, hear: Hear, weeks: int) -> None:
    """Weeks in which readers subscribe, switch and cancel; one thing at a time."""
    staff = desk.stripe.coupons.create({"percent_off": 50, "duration": "forever"}).id
    customers: list[str] = []
    running: list[str] = []
    for week in range(weeks):
        for _ in range(chance.randint(1, 2)):
            desk.travel(hours=chance.randint(2, 40))
            what = chance.choice(
                ("new", "new", "trial", "staff", "second", "switch", "cancel", "at_end")
            )
            if what in _FIELDS:
                customers.append(await customer(desk, f"r{len(customers)}@example.org", hear))
                fields = _FIELDS[what](staff)
                running.append(desk.subscribe(customers[-1], **fields))
            elif what == "second" and customers and hear is by_an_import:
                # Heard of as it happens it would be given back: one is enough.
                running.append(desk.subscribe(chance.choice(customers)))
            elif running:
                change(desk, chance, what, running)
            await hear(desk, week)
        desk.travel(days=chance.randint(4, 6))
        await hear(desk, week)


def change(desk: Desk, chance: random.Random, what: str, running: list[str]) -> None:
    ours = chance.choice(running)
    now = desk.stripe.subscriptions.retrieve(ours)
    if now.status == "canceled" or now.cancel_at_period_end:
        return
    if what == "cancel":
        desk.stripe.subscriptions.cancel(ours)
    elif what == "at_end":
        desk.stripe.subscriptions.update(ours, {"cancel_at_period_end": True})
    elif what == "switch" and now.status == "active":
        item = now["items"].data[0]
        other = desk.other_price if item.price.id == desk.price else desk.price
        changed = [{"id": item.id, "price": other}]
        desk.stripe.subscriptions.update(
            ours, {"items": changed, "proration_behavior": "always_invoice"}
        )


@dataclass(frozen=True)
class Seen:
    """A subscription as Stripe's API has it: from when until when it was paid for, and each price since."""

    customer: str
    began: datetime | None
    ended: datetime | None
    half: bool
    prices: tuple[tuple[datetime, int], ...]
    trial_end: datetime | None
    status: str

    def mrr(self, at: datetime) -> Fraction:
        """Just before the instant."""
        if self.began is None or self.began >= at or (self.ended is not None and self.ended < at):
            return Fraction(0)
        amount = [amount for since, amount in self.prices if since < at][-1]
        return Fraction(amount, 2 if self.half else 1)


@dataclass(frozen=True)
class AtStripe:
    subscriptions: tuple[Seen, ...]

    @classmethod
    def of(cls, desk: Desk) -> "AtStripe":
        listed = desk.stripe.subscriptions.list({"status": "all", "limit": 100}).data
        return cls(tuple(_seen(desk, each) for each in listed))

    def mrr(self, at: datetime) -> Fraction:
        return sum((each.mrr(at) for each in self.subscriptions), Fraction(0))

    def active(self, at: datetime) -> set[str]:
        return {each.customer for each in self.subscriptions if each.mrr(at)}

    def lost(self, since: datetime, until: datetime) -> list[str]:
        """Each time that a customer's last paid subscription ended."""
        moment = timedelta(microseconds=1)
        return [
            each.customer
            for each in self.subscriptions
            if each.ended is not None and each.began is not None and since <= each.ended < until
            if each.customer not in self.active(each.ended + moment)
        ]

    def trials(self, since: datetime, until: datetime) -> list[str]:
        """What became of each trial that ended."""
        found = []
        for each in self.subscriptions:
            if each.trial_end is None:
                continue
            at = min(each.trial_end, each.ended or each.trial_end)
            if since <= at < until:
                found.append("paid" if each.began is not None else "lost")
        return found


def _seen(desk: Desk, subscription: Any) -> Seen:
    bills = desk.stripe.invoices.list({"subscription": subscription.id, "limit": 100}).data
    prices = []
    for bill in sorted(bills, key=lambda each: each.created):
        for line in bill.lines.data:
            if line.amount > 0:
                price = desk.stripe.prices.retrieve(line.pricing.price_details.price)
                prices.append((_at(bill.created), price.unit_amount))
    discounts = subscription.discounts or []
    trial_end = _at(subscription.trial_end) if subscription.trial_end else None
    return Seen(
        customer=subscription.customer,
        began=prices[0][0] if prices else None,
        ended=_at(subscription.ended_at) if subscription.ended_at else None,
        half=bool(discounts),
        prices=tuple(prices),
        trial_end=trial_end,
        status=subscription.status,
    )


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
