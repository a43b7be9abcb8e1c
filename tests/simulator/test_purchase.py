"""From a product to a paid Checkout session and signed events, as a shop's server sees it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import pytest
import stripe

from tests.conftest import MovingClocks
from tests.patience import wait_until
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

FORM = {"email": "ana@example.org", "name": "Ana", "exp": "12/2031", "cvc": "123"}


def test_from_product_to_paid_session_and_one_signed_event(local: LocalStripe) -> None:
    product = local.v1.products.create({"name": "Digital", "metadata": {"plan": "digital"}})
    price = local.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 900,
            "currency": "eur",
            "recurring": {"interval": "month"},
            "lookup_key": "digital-monthly",
        }
    )
    session = local.session(
        price,
        client_reference_id="checkout-1",
        metadata={"checkout": "1"},
        subscription_data={"metadata": {"reader": "r1"}},
    )
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert re.fullmatch(r"cs_test_\w{50,}", session.id)
    assert session.url == f"{local.url}/checkout/{session.id}"
    answer = local.pay(session)
    assert answer.json() == {
        "status": "complete",
        "redirect_url": f"https://news.example/back?session={session.id}",
    }
    local.deliver()
    [completed] = local.receiver.objects("checkout.session.completed")
    assert (completed["id"], completed["client_reference_id"]) == (session.id, "checkout-1")
    assert (completed["payment_status"], completed["status"]) == ("paid", "complete")
    paid = local.v1.checkout.sessions.retrieve(session.id)
    assert paid.to_dict() == completed
    subscription = local.v1.subscriptions.retrieve(paid.subscription)
    assert subscription.status == "active"
    assert subscription.metadata["reader"] == "r1"
    assert subscription["items"].data[0].price.lookup_key == "digital-monthly"
    invoice = local.v1.invoices.retrieve(paid.invoice, {"expand": ["payments"]})
    assert (invoice.status, invoice.amount_paid) == ("paid", 900)
    assert invoice.parent.subscription_details.subscription == subscription.id
    intent = local.v1.payment_intents.retrieve(invoice.payments.data[0].payment.payment_intent)
    charge = local.v1.charges.retrieve(intent.latest_charge)
    assert (intent.status, charge.status, charge.amount) == ("succeeded", "succeeded", 900)
    assert set(local.receiver.types) >= {
        "customer.created",
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "payment_intent.succeeded",
        "charge.succeeded",
    }
    assert max(local.receiver.arrivals.values()) == 1


def test_the_hosted_page_is_paid_by_its_form(local: LocalStripe) -> None:
    session = local.session(customer_email="ana@example.org")
    page = local.browser.get(f"/checkout/{session.id}")
    assert page.status_code == 200
    assert "no real money" in page.text
    assert 'value="ana@example.org"' in page.text
    assert "9.00 EUR every month" in page.text
    back = local.browser.post(f"/checkout/{session.id}", data={**FORM, "card": PAYS})
    assert back.status_code == 303
    assert back.headers["Location"] == f"https://news.example/back?session={session.id}"
    assert local.v1.checkout.sessions.retrieve(session.id).status == "complete"
    again = local.browser.post(f"/checkout/{session.id}", data={**FORM, "card": PAYS})
    assert "nothing is charged twice" in again.text
    assert len(local.v1.subscriptions.list().data) == 1


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        (DECLINED, "card_declined", "generic_decline"),
        (NO_FUNDS, "card_declined", "insufficient_funds"),
        ("4000000000009987", "card_declined", "lost_card"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    ],
)
@pytest.mark.parametrize("trial", [False, True])
def test_a_decline_leaves_the_session_open(
    local: LocalStripe, card: str, code: str, decline_code: str, trial: bool
) -> None:
    session = local.session(**({"subscription_data": {"trial_period_days": 14}} if trial else {}))
    refused = local.pay(session, card)
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        code,
        decline_code,
    )
    page = local.browser.post(f"/checkout/{session.id}", data={**FORM, "card": card})
    assert page.status_code == 402
    assert error["message"].replace("'", "&#39;") in page.text
    assert local.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert local.v1.subscriptions.list({"status": "all"}).data == []
    assert local.v1.customers.list().data == []
    charges = local.v1.charges.list().data
    assert [charge.status for charge in charges] == ([] if trial else ["failed", "failed"])
    assert local.pay(session).status_code == 200
    local.deliver()
    assert local.receiver.types.count("checkout.session.completed") == 1


def test_a_card_that_fails_later_is_refused_where_money_is_due_now(local: LocalStripe) -> None:
    assert local.pay(local.session(), FAILS_LATER).status_code == 402
    trial = local.session(subscription_data={"trial_period_days": 7})
    assert local.pay(trial, FAILS_LATER).status_code == 200


@pytest.mark.parametrize(
    ("entries", "param"),
    [
        ({"card": "4111"}, None),
        ({"card": "4111111111111111"}, None),
        ({"exp": "13/2031"}, "exp_year"),
        ({"exp": "01/2020"}, "exp_year"),
        ({"exp": "soon"}, "exp_year"),
        ({"cvc": "1"}, "cvc"),
        ({"email": "nobody"}, "email"),
        ({"email": "ana\0@example.org"}, "email"),
        ({"email": "ana\r\n@example.org"}, "email"),
        ({"email": "a" * 600 + "@example.org"}, "email"),
        ({"name": "Ana\0"}, "name"),
        ({"name": "A" * 300}, "name"),
    ],
)
def test_entries_that_make_no_sense_are_refused(
    local: LocalStripe, entries: dict[str, str], param: str | None
) -> None:
    session = local.session()
    refused = local.pay(session, **{"card": PAYS, **entries})
    assert refused.status_code in {400, 402}
    assert refused.json()["error"].get("param") == param
    page = local.browser.post(f"/checkout/{session.id}", data={**FORM, "card": PAYS, **entries})
    assert page.status_code in {400, 402}
    assert "aria-invalid" in page.text
    assert local.v1.charges.list().data == []


def test_clicking_twice_pays_once(local: LocalStripe) -> None:
    session = local.session()
    with ThreadPoolExecutor(4) as pool:
        statuses = [answer.status_code for answer in pool.map(local.pay, [session] * 8)]
    assert sorted(statuses) == [200] + [409] * 7
    assert len(local.v1.subscriptions.list().data) == 1
    assert len(local.v1.charges.list().data) == 1


def test_a_known_customer_pays_as_themselves(local: LocalStripe) -> None:
    customer = local.customer(card=None)
    session = local.session(customer=customer.id)
    local.pay(session, email="someone.else@example.org")
    paid = local.v1.checkout.sessions.retrieve(session.id)
    assert paid.customer == customer.id
    assert paid.customer_details.email == "ana@example.org"
    for email, found in (("ana@example.org", [session.id]), ("bea@example.org", [])):
        listed = local.v1.checkout.sessions.list({"customer_details": {"email": email}})
        assert [entry.id for entry in listed.data] == found
    assert len(local.v1.customers.list().data) == 1


def test_a_session_expires_by_itself_or_by_request(local: LocalStripe) -> None:
    left, ended = local.session(), local.session()
    expired = local.v1.checkout.sessions.expire(ended.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        local.v1.checkout.sessions.expire(ended.id)
    local.move(hours=24)
    assert local.v1.checkout.sessions.retrieve(left.id).status == "expired"
    assert local.receiver.types.count("checkout.session.expired") == 2
    refused = local.pay(left)
    assert (refused.status_code, refused.json()["error"]["code"]) == (
        409,
        "checkout_session_not_open",
    )
    assert "expired" in local.browser.get(f"/checkout/{left.id}").text


def test_a_session_sells_what_stripe_would_sell(local: LocalStripe) -> None:
    price = local.price()
    for wrong, param in (
        ({"line_items": []}, "line_items"),
        ({"line_items": [{"price": "price_none"}]}, "line_items[0][price]"),
        ({"success_url": "news.example"}, "success_url"),
        ({"cancel_url": "https://[news.example"}, "cancel_url"),
        ({"cancel_url": "javascript:alert(1)"}, "cancel_url"),
        ({"mode": "payment"}, "line_items[0][price]"),
        ({"mode": "gift"}, "mode"),
        ({"customer_creation": "always"}, "customer_creation"),
        (
            {"excluded_payment_method_types": ["card", "sepa_debit"]},
            "excluded_payment_method_types",
        ),
        ({"customer_update": {"name": "auto"}}, "customer_update"),
        ({"expires_at": local.now + 60}, "expires_at"),
        ({"customer": "cus_none"}, "customer"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"subscription_data": {"trial_end": local.now + 3600}}, "subscription_data[trial_end]"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            local.session(price, **wrong)
        assert refused.value.param == param
    local.v1.prices.update(price.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        local.session(price)
    once = local.v1.prices.create({"product": price.product, "unit_amount": 100, "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError, match="one-time"):
        local.session(once)


def test_signatures_carry_the_real_time(host: Host, found_document: StripeDocument | None) -> None:
    with local_stripe(host, MovingClocks(datetime.now(UTC)), found_document) as local:
        local.receiver.tolerance = 300
        local.move(days=400)
        local.v1.customers.create({})
        wait_until(lambda: local.receiver.types == ["customer.created"], "the event comes")
        [event] = local.receiver.events
        assert event["created"] == local.now


def test_the_hook_wants_a_card_and_a_session(local: LocalStripe) -> None:
    session = local.session()
    path = f"/_sim/checkout/{session.id}/pay"
    assert local.browser.post(path, content=b"card=1").status_code == 400
    assert local.browser.post(path, json={"card": ""}).json()["error"]["param"] == "card"
    missing: httpx2.Response = local.browser.post("/_sim/checkout/cs_none/pay", json={"card": PAYS})
    assert missing.status_code == 404
    assert local.browser.get("/checkout/cs_none").status_code == 404
