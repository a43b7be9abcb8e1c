"""A new card in the portal: what it becomes, what it pays at once, and what a refusal leaves."""

from typing import Any

import pytest

from service.simulator.app import Rules
from tests.conftest import MovingClocks
from tests.simulator.document import StripeDocument
from tests.simulator.local import (
    DECLINED,
    FAILS_LATER,
    NO_FUNDS,
    PAYS,
    Host,
    LocalStripe,
    local_stripe,
)


def overdue(local: LocalStripe) -> Any:
    """A subscription whose card failed after the trial."""
    subscription = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 7})
    local.move(days=8)
    late = local.v1.subscriptions.retrieve(subscription.id)
    assert late.status == "past_due"
    return late


def portal(local: LocalStripe, customer: str) -> str:
    session = local.v1.billing_portal.sessions.create({"customer": customer})
    path: str = session.url.removeprefix(local.url)
    return path


def events(local: LocalStripe) -> dict[str, str]:
    """All that has been said so far, delivered or not: ids with their types."""
    found = local.v1.events.list({"limit": 100}).auto_paging_iter()
    return {event.id: event.type for event in found}


def form(card: str, **fields: str) -> dict[str, str]:
    return {"action": "card", "card": card, "exp": "12/2030", "cvc": "123", **fields}


def test_a_new_card_pays_what_is_overdue_at_once(local: LocalStripe) -> None:
    late = overdue(local)
    path = portal(local, late.customer)
    page = local.browser.get(path).text
    assert "Payment overdue: 9.00 EUR" in page
    assert "card ending in 0341" in page
    before = events(local)
    paid = local.browser.post(path, data=form("4242 4242 4242 4242"))
    assert (paid.status_code, paid.headers["Location"]) == (303, local.url + path)
    now = local.v1.subscriptions.retrieve(late.id)
    customer = local.v1.customers.retrieve(late.customer)
    method = local.v1.payment_methods.retrieve(now.default_payment_method)
    assert (now.status, method.card.last4, method.customer) == ("active", "4242", late.customer)
    assert customer.invoice_settings.default_payment_method == method.id
    invoice = local.v1.invoices.retrieve(late.latest_invoice)
    assert (invoice.status, invoice.amount_remaining) == ("paid", 0)
    told = events(local)
    assert sorted(told[each] for each in told.keys() - before.keys()) == [
        "charge.succeeded",
        "customer.subscription.updated",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "payment_intent.succeeded",
        "payment_method.attached",
    ]
    page = local.browser.get(path).text
    assert "overdue" not in page
    assert "card ending in 4242" in page
    local.move(days=31)
    assert local.v1.subscriptions.retrieve(late.id).status == "active"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (form(DECLINED), "Your card was declined. (generic_decline)"),
        (form(NO_FUNDS), "Your card has insufficient funds."),
        (form(FAILS_LATER), "Your card was declined."),
        (form("4000000000000127"), "security code is incorrect"),
        (form("1234"), "Your card number is incorrect."),
        (form(PAYS, exp="12/2020"), "expiration year is in the past"),
        (form(PAYS, cvc="<b>"), "security code is invalid"),
        ({"action": "card"}, "Your card number is incorrect."),
    ],
)
def test_a_declined_card_stays_on_the_page_and_changes_nothing(
    local: LocalStripe, entries: dict[str, str], reason: str
) -> None:
    late = overdue(local)
    path = portal(local, late.customer)
    before = events(local)
    refused = local.browser.post(path, data=entries)
    assert refused.status_code == 402
    assert reason in refused.text
    assert "Nothing was charged." in refused.text
    assert "<b>" not in refused.text
    after = local.v1.subscriptions.retrieve(late.id)
    assert (after.status, after.default_payment_method) == ("past_due", late.default_payment_method)
    assert len(local.v1.payment_methods.list({"customer": late.customer}).data) == 1
    assert local.v1.invoices.retrieve(late.latest_invoice).attempt_count == 1
    assert events(local) == before


def test_a_card_for_later_charges_nothing_now(local: LocalStripe) -> None:
    subscription = local.subscribe()
    path = portal(local, subscription.customer)
    assert local.browser.post(path, data=form(FAILS_LATER)).status_code == 303
    assert "card ending in 0341" in local.browser.get(path).text
    assert len(local.v1.charges.list().data) == 1
    local.move(days=32)
    assert local.v1.subscriptions.retrieve(subscription.id).status == "past_due"


def test_an_unpaid_subscription_opens_again(
    host: Host, found_document: StripeDocument | None
) -> None:
    rules = Rules(dunning_end="mark_unpaid")
    with local_stripe(host, MovingClocks(), found_document, rules=rules) as local:
        late = overdue(local)
        local.move(days=16)
        assert local.v1.subscriptions.retrieve(late.id).status == "unpaid"
        assert local.browser.post(portal(local, late.customer), data=form(PAYS)).status_code == 303
        assert local.v1.subscriptions.retrieve(late.id).status == "active"


def test_without_a_subscription_there_is_nothing_to_pay(local: LocalStripe) -> None:
    subscription = local.subscribe()
    path = portal(local, subscription.customer)
    local.v1.subscriptions.cancel(subscription.id)
    assert "Card number" not in local.browser.get(path).text
    assert local.browser.post(path, data=form(PAYS)).status_code == 404
    local.v1.customers.delete(subscription.customer)
    before = events(local)
    gone = local.browser.post(path, data=form(PAYS))
    assert (gone.status_code, "No such customer" in gone.text) == (400, True)
    assert events(local) == before
