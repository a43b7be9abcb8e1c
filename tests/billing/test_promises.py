"""What a page and the API promise of a subscription, in each state that the local Stripe can reach,
held to what then happens there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import stripe

from service.access.words import long_day
from service.billing.language import as_pages_are
from service.billing.outlook import Outlook, outlook_of
from service.offers.pricing import amount_text
from service.reports.subscriber_list import subscriptions_of
from service.web.subscription_shown import SubscriptionShown, leaves_no_room, subscription_shown
from tests.billing.desk import Desk
from tests.databases import on_sqlite

pytestmark = on_sqlite
STATUSES = ("trialing", "active", "past_due", "unpaid", "paused", "incomplete", "canceled")
ENDS = ("", "period", "later")
DISCOUNTS: dict[str, dict[str, Any]] = {
    "": {},
    "half": {"percent_off": 50, "duration": "forever"},
    "all": {"percent_off": 100, "duration": "forever"},
    "once": {"amount_off": 200, "currency": "eur", "duration": "once"},
}
PAUSES = ("", "void")


State = tuple[str, str, str, str]
"""Status, end, discount, pause."""


def every() -> Iterator[State]:
    """All combinations; the local Stripe refuses some."""
    return product(STATUSES, ENDS, DISCOUNTS, PAUSES)


def some() -> Iterator[State]:
    """Each status with each end; discounts and pauses take turns."""
    turns = tuple(product(DISCOUNTS, PAUSES))
    for number, (status, end) in enumerate(product(STATUSES, ENDS)):
        yield status, end, *turns[(3 * number) % len(turns)]


@dataclass
class Life:
    """A subscription in some state, and what is promised of it."""

    desk: Desk
    reader: str
    customer: str
    id: str = ""

    async def reach(self, status: str) -> None:
        """Bring a new subscription into the status."""
        desk, stripe_ = self.desk, self.desk.stripe
        match status:
            case "trialing":
                self.id = desk.subscribe(self.customer, trial_period_days=14)
            case "paused":
                trial = {"end_behavior": {"missing_payment_method": "pause"}}
                made = stripe_.subscriptions.create(
                    {
                        "customer": self.customer, "items": [{"price": desk.price}],
                        "trial_period_days": 3, "trial_settings": trial,
                    }
                )  # fmt: skip
                self.id = made.id
                desk.travel(days=4)
            case "incomplete":
                iban = {"iban": "DE08370400440532013003"}
                debit = stripe_.payment_methods.create({"type": "sepa_debit", "sepa_debit": iban})
                self.id = desk.subscribe(self.customer, debit.id)
            case _:
                self.id = desk.subscribe(self.customer)
        if status == "canceled":
            stripe_.subscriptions.cancel(self.id)
        if status in {"past_due", "unpaid"}:
            world = desk.at_stripe.simulator.world
            world.rules = replace(world.rules, dunning_end="mark_unpaid")
            self.pays_with("pm_card_chargeCustomerFail")
            desk.travel(days=31, hours=2)
        if status == "unpaid":
            desk.travel(days=15)
        assert desk.status(self.id) == status

    def pays_with(self, card: str) -> None:
        method = self.desk.stripe.payment_methods.attach(card, {"customer": self.customer})
        self.desk.stripe.subscriptions.update(self.id, {"default_payment_method": method.id})

    def change(self, end: str, discount: str, pause: str) -> bool:
        """Whether the local Stripe lets a subscription of this status be so."""
        changes: dict[str, Any] = {}
        if end == "period":
            changes["cancel_at_period_end"] = True
        elif end == "later":
            item = self.desk.stripe.subscriptions.retrieve(self.id)["items"].data[0]
            changes["cancel_at"] = item.current_period_end + 20 * 86400
        if discount:
            self.desk.stripe.coupons.create({"id": discount, **DISCOUNTS[discount]})
            changes["discounts"] = [{"coupon": discount}]
        if pause:
            changes["pause_collection"] = {"behavior": pause}
        try:
            if changes:
                self.desk.stripe.subscriptions.update(self.id, changes)
        except stripe.InvalidRequestError:
            return False
        return True

    async def promised(self) -> tuple[Outlook, SubscriptionShown]:
        await self.desk.hear()
        async with self.desk.database.reading() as session:
            (facts,) = await subscriptions_of(session, self.reader)
        zone, now = self.desk.settings.zone, self.desk.clocks.business()
        shown = subscription_shown(facts, as_pages_are(zone), now)
        over = facts.status == "canceled"
        assert leaves_no_room(facts) is not over
        return outlook_of(facts), shown

    def invoices(self) -> dict[str, Any]:
        listed = self.desk.stripe.invoices.list({"subscription": self.id, "limit": 100})
        return {each.id: each for each in listed.data}

    def travel_to(self, at: datetime) -> None:
        """And the two hours in which an invoice is made final and collected."""
        left = at + timedelta(hours=2) - self.desk.clocks.business()
        self.desk.travel(seconds=int(left.total_seconds()))


@pytest.mark.parametrize("state", list(some()), ids="-".join)
async def test_what_is_promised_comes(desk: Desk, state: State) -> None:
    """Some of them; `make soak` plays them all."""
    await play_promises(desk, state)


async def play_promises(desk: Desk, state: State) -> None:
    status, end, discount, pause = state
    reader, customer = await desk.reader()
    life = Life(desk, reader, customer)
    await life.reach(status)
    if not life.change(end, discount, pause):
        return
    outlook, shown = await life.promised()
    text = f"{shown.status} {shown.next} {shown.advice}"
    check_words(life, outlook, text)
    await check_future(life, outlook)


LASTING = ({"duration": "once"}, {"duration": "repeating", "duration_in_months": 6}, {"duration": "forever"})  # fmt: skip


@pytest.mark.parametrize("terms", LASTING, ids=lambda terms: terms["duration"])
@pytest.mark.parametrize(
    ("percent", "then"), [(50, "then €4.50 at first."), (100, "then free of charge at first.")]
)
async def test_of_what_follows_a_trial_the_beginning_alone_is_promised(
    desk: Desk, terms: dict[str, Any], percent: int, then: str
) -> None:
    """Stripe says what is charged next; whether the discount takes something off the charge after that, it doesn't."""
    reader, customer = await desk.reader()
    coupon = desk.stripe.coupons.create({"percent_off": percent, **terms}).id
    life = Life(desk, reader, customer)
    life.id = desk.subscribe(customer, trial_period_days=14, discounts=[{"coupon": coupon}])
    outlook, shown = await life.promised()
    assert shown.next.endswith(then)
    await check_future(life, outlook)


def check_words(life: Life, outlook: Outlook, text: str) -> None:
    """The page names what the outlook has, and promises nothing that it hasn't."""
    zone = life.desk.settings.zone
    status = life.desk.status(life.id)
    if status in {"trialing", "active"}:
        for at in (outlook.charges_at, outlook.ends_at):
            assert at is None or long_day(at, zone) in text, text
        charged = outlook.charges_at is not None
        assert ("Renews on" in text or ", then " in text) is charged, text
        if outlook.amount:
            assert amount_text(outlook.amount, "EUR") in text, text
        elif charged:
            assert "free of charge" in text, text
    if outlook.owed and status == "past_due":
        assert amount_text(outlook.owed, "EUR") in text, text
    if status == "incomplete":
        assert "is being processed" in text
        assert "Payment not completed" not in text
        assert "ubscribe again" not in text


async def check_future(life: Life, outlook: Outlook) -> None:
    """Nothing is charged before, then exactly that; and it ends on its day."""
    desk = life.desk
    if desk.status(life.id) == "incomplete":
        return  # once the bank has paid, what is promised is another state's
    owing = desk.status(life.id) in {"past_due", "unpaid"}
    if owing:
        (open_,) = [each for each in life.invoices().values() if each.status == "open"]
        assert outlook.owed == open_.amount_remaining
        life.pays_with("pm_card_visa")
        desk.stripe.invoices.pay(open_.id)
        if outlook.charges_at is None:
            return  # what follows a payment that nobody tries is another state's
    known = life.invoices()
    until = outlook.charges_at or desk.clocks.business() + timedelta(days=40)
    life.travel_to(until)
    made = [each for name, each in life.invoices().items() if name not in known]
    asked = [each.amount_due for each in made if each.status in {"open", "paid"}]
    if outlook.charges_at is not None:
        assert asked == [outlook.amount]
    else:
        assert sum(asked) == 0
    if outlook.ends_at is not None:
        life.travel_to(max(outlook.ends_at, desk.clocks.business()))
        ended = desk.stripe.subscriptions.retrieve(life.id)
        assert ended.status == "canceled"
        # A paused one, whose period is over, ends as soon as that is asked for.
        since = datetime.fromtimestamp(ended.canceled_at, UTC)
        assert datetime.fromtimestamp(ended.ended_at, UTC) == max(outlook.ends_at, since)
