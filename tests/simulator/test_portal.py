"""The portal as its configuration has it: switching, cancelling, details, invoices, single flows."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import DECLINED, FAILS_LATER, LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


_REASONS = {"enabled": True, "options": ["too_expensive", "unused"]}


def features_for(*prices: Any, **fields: Any) -> dict[str, Any]:
    """All that can be enabled, with a plan to switch to for each price."""
    return {
        "customer_update": {"enabled": True, "allowed_updates": ["email", "name"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "cancellation_reason": _REASONS},
        "subscription_update": {
            "enabled": bool(prices),
            "default_allowed_updates": ["price"] if prices else "",
            "products": [{"product": price.product, "prices": [price.id]} for price in prices]
            or "",
            "proration_behavior": "always_invoice",
            **fields,
        },
    }


def _portal(local: LocalStripe, customer: str, features: dict[str, Any], **fields: Any) -> str:
    made = local.v1.billing_portal.configurations.create({"features": features})
    session = local.v1.billing_portal.sessions.create(
        {"customer": customer, "configuration": made.id, **fields}
    )
    path: str = session.url.removeprefix(local.url)
    return path


def _post(local: LocalStripe, path: str, subscription: Any, action: str, **fields: str) -> Any:
    return local.browser.post(
        path, data={"subscription": subscription.id, "action": action, **fields}
    )


def _again(local: LocalStripe, subscription: Any) -> Any:
    return local.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})


def test_a_reader_switches_their_plan(local: LocalStripe) -> None:
    price, dear = local.price(), local.price(1900)
    archived, dollars = local.price(100), local.price(200, currency="usd")
    made = local.subscribe(price)
    path = _portal(local, made.customer, features_for(price, dear, archived, dollars))
    local.v1.prices.update(archived.id, {"active": False})
    page = local.browser.get(path).text
    assert page.count("<option") == 1 + 1 + 2  # one plan; no answer and two reasons
    assert "19.00 EUR every month" in page
    assert _post(local, path, made, "switch", price=dear.id).status_code == 303
    switched = _again(local, made)
    assert switched["items"].data[0].price.id == dear.id
    assert (switched.status, switched.latest_invoice.amount_paid) == ("active", 1000)
    for other in (archived.id, dollars.id, dear.id, "price_none"):
        refused = _post(local, path, made, "switch", price=other)
        assert (refused.status_code, "on offer" in refused.text) == (400, True)


def test_a_switch_that_is_not_paid_changes_nothing(local: LocalStripe) -> None:
    made = local.subscribe()
    dear = local.price(1900)
    path = _portal(local, made.customer, features_for(dear))
    card = {"action": "card", "card": FAILS_LATER, "exp": "12/2030", "cvc": "123"}
    assert local.browser.post(path, data=card).status_code == 303
    refused = _post(local, path, made, "switch", price=dear.id)
    assert (refused.status_code, "Nothing has changed" in refused.text) == (402, True)
    same = _again(local, made)
    assert (same.status, same["items"].data[0].price.unit_amount) == ("active", 900)


@pytest.mark.parametrize(
    ("behaviour", "status"), [("continue_trial", "trialing"), ("end_trial", "active")]
)
def test_a_switch_within_a_trial(local: LocalStripe, behaviour: str, status: str) -> None:
    made = local.subscribe(subscription_data={"trial_period_days": 7})
    dear = local.price(1900)
    features = features_for(dear, trial_update_behavior=behaviour)
    path = _portal(local, made.customer, features)
    assert _post(local, path, made, "switch", price=dear.id).status_code == 303
    switched = _again(local, made)
    assert (switched.status, switched["items"].data[0].price.id) == (status, dear.id)
    assert switched.latest_invoice.amount_paid == (1900 if status == "active" else 0)


def test_a_reader_says_why_they_leave(local: LocalStripe) -> None:
    made = local.subscribe()
    path = _portal(local, made.customer, features_for())
    assert "Too expensive" in local.browser.get(path).text
    _post(local, path, made, "cancel", feedback="too_expensive", comment="Bye")
    leaving = _again(local, made)
    assert leaving.cancellation_details.feedback == "too_expensive"
    assert (leaving.cancel_at_period_end, leaving.status) == (False, "active")
    assert leaving.cancel_at == leaving["items"].data[0].current_period_end


@pytest.mark.parametrize(("proration", "credited"), [("none", 0), ("create_prorations", 1)])
def test_a_reader_leaves_at_once(local: LocalStripe, proration: str, credited: int) -> None:
    made = local.subscribe()
    features = {
        "subscription_cancel": {
            "enabled": True,
            "mode": "immediately",
            "proration_behavior": proration,
        }
    }
    path = _portal(local, made.customer, features)
    page = local.browser.get(path).text
    assert ("Cancel now" in page, "Card number" in page) == (True, False)
    assert _post(local, path, made, "cancel").status_code == 303
    assert _again(local, made).status == "canceled"
    assert len(local.said("invoiceitem.created")) == credited


def test_invoices_are_listed_and_paid(local: LocalStripe) -> None:
    late = local.subscribe(card=FAILS_LATER, subscription_data={"trial_period_days": 7})
    local.move(days=8)
    path = _portal(local, late.customer, features_for())
    page = local.browser.get(path).text
    invoice = _again(local, late).latest_invoice
    assert f"Pay {invoice.number}" in page
    assert invoice.hosted_invoice_url in page
    card = {"action": "card", "card": "4242424242424242", "exp": "12/2030", "cvc": "123"}
    pay = local.browser.post(invoice.hosted_invoice_url.removeprefix(local.url), data=card)
    assert pay.status_code == 303
    assert _again(local, late).status == "active"
    assert f"Show {invoice.number}" in local.browser.get(path).text


def test_a_reader_changes_their_details(local: LocalStripe) -> None:
    made = local.subscribe()
    path = _portal(local, made.customer, features_for())
    wrong = local.browser.post(path, data={"action": "details", "email": "<b>", "name": "Eva"})
    assert (wrong.status_code, "Enter a valid email." in wrong.text) == (400, True)
    assert 'value="&lt;b&gt;"' in wrong.text
    entries = {"action": "details", "email": "eva@example.org", "name": "Eva", "phone": "1"}
    assert local.browser.post(path, data=entries).status_code == 303
    customer = local.v1.customers.retrieve(made.customer)
    assert (customer.email, customer.name, customer.phone) == ("eva@example.org", "Eva", None)


def test_a_reader_changes_the_quantity(local: LocalStripe) -> None:
    price = local.price()
    made = local.subscribe(price)
    listed = {"product": price.product, "prices": [price.id]}
    numbers = {"enabled": True, "minimum": 1, "maximum": 5}
    features = features_for(
        price, default_allowed_updates=["quantity"],
        products=[{**listed, "adjustable_quantity": numbers}],
    )  # fmt: skip
    path = _portal(local, made.customer, features)
    page = local.browser.get(path).text
    assert ("Change the quantity" in page, "Switch the plan" in page) == (True, False)
    assert _post(local, path, made, "number", quantity="6").status_code == 400
    assert _post(local, path, made, "number", quantity="5").status_code == 303
    after = _again(local, made)
    assert (after["items"].data[0].quantity, after.latest_invoice.status) == (5, "paid")
    assert 'value="5"' in local.browser.get(path).text
    wrong = {**features["subscription_update"], "products": [
        {**listed, "adjustable_quantity": {**numbers, "maximum": 0}}
    ]}  # fmt: skip
    with pytest.raises(stripe.InvalidRequestError, match="maximum"):
        _portal(local, made.customer, {**features, "subscription_update": wrong})


def test_what_is_not_enabled_is_neither_shown_nor_done(local: LocalStripe) -> None:
    price = local.price(1900)
    made = local.subscribe()
    path = _portal(local, made.customer, {"invoice_history": {"enabled": True}})
    page = local.browser.get(path).text
    assert all(word not in page for word in ("<form", "Card number", "Cancel", "Another plan"))
    card = {"card": "4242424242424242", "exp": "12/2030", "cvc": "123"}
    for action in ("cancel", "resume", "switch", "number", "card", "details"):
        refused = _post(local, path, made, action, price=price.id, **card)
        assert refused.status_code == 400
        assert "doesn" in refused.text
    assert _again(local, made).cancel_at is None


@pytest.mark.parametrize(
    ("completion", "shown"),
    [
        ({"type": "redirect", "redirect": {"return_url": "https://news.example/left"}}, None),
        (
            {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Bye!"}},
            "Bye!",
        ),
        ({"type": "portal_homepage"}, "Invoices"),
    ],
)
def test_a_session_for_one_thing(
    local: LocalStripe, completion: dict[str, Any], shown: str | None
) -> None:
    made = local.subscribe()
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": made.id},
        "after_completion": completion,
    }
    path = _portal(local, made.customer, features_for(), flow_data=flow)
    page = local.browser.get(path).text
    assert ("Cancel at the end" in page, "Card number" in page, "Invoices" in page) == (
        True,
        False,
        False,
    )
    done = _post(local, path, made, "cancel")
    assert done.status_code == 303
    if shown is None:
        assert done.headers["Location"] == "https://news.example/left"
    else:
        assert shown in local.browser.get(path).text
    assert _again(local, made).cancel_at is not None


def test_a_session_for_a_new_card(local: LocalStripe) -> None:
    made = local.subscribe()
    flow = {"type": "payment_method_update"}
    path = _portal(local, made.customer, features_for(), flow_data=flow)
    page = local.browser.get(path).text
    assert ("Card number" in page, "Cancel" in page) == (True, False)
    card = {"action": "card", "card": DECLINED, "exp": "12/2030", "cvc": "123"}
    assert local.browser.post(path, data=card).status_code == 402
    assert local.browser.post(path, data={**card, "card": "4242424242424242"}).status_code == 303
    assert "Cancel" in local.browser.get(path).text


def test_configurations_are_made_changed_and_listed(local: LocalStripe) -> None:
    v1 = local.v1.billing_portal.configurations
    made = v1.create(
        {
            "features": {"subscription_cancel": {"enabled": True, "cancellation_reason": _REASONS}},
            "business_profile": {
                "headline": "News",
                "privacy_policy_url": "https://news.example/p",
            },
            "default_return_url": "https://news.example/account",
            "metadata": {"publication": "news"},
            "name": "Readers",
        }
    )
    assert not made.features.subscription_update.enabled
    changed = v1.update(
        made.id,
        {"features": {"invoice_history": {"enabled": True}}, "metadata": {"publication": "other"}},
    )
    assert changed.features.subscription_cancel.cancellation_reason.options == _REASONS["options"]
    assert (changed.features.invoice_history.enabled, changed.name) == (True, "Readers")
    customer = local.customer()
    session = local.v1.billing_portal.sessions.create(
        {"customer": customer.id, "configuration": made.id}
    )
    assert session.return_url == "https://news.example/account"
    assert len(v1.list({"active": True}).data) == 2
    v1.update(made.id, {"active": False})
    assert [each.is_default for each in v1.list({"active": True}).data] == [True]
    with pytest.raises(stripe.InvalidRequestError, match="not active"):
        local.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": made.id})
    assert len(local.said("billing_portal.configuration.updated")) == 2


def test_configurations_and_flows_that_stripe_refuses(local: LocalStripe) -> None:
    price, other = local.price(), local.price(100)
    v1 = local.v1.billing_portal
    twice = local.v1.prices.create(
        {
            "product": price.product,
            "unit_amount": 1,
            "currency": "eur",
            "recurring": {"interval": "month"},
        }
    )
    products = [{"product": price.product, "prices": [other.id]}]
    same = [{"product": price.product, "prices": [price.id, twice.id]}]
    refusals: list[dict[str, Any]] = [
        {"subscription_update": {"enabled": True}},
        {
            "subscription_update": {
                **features_for(price)["subscription_update"],
                "products": products,
            }
        },
        {"subscription_update": {**features_for(price)["subscription_update"], "products": same}},
        {"subscription_cancel": {"enabled": True, "proration_behavior": "create_prorations"}},
        {"subscription_cancel": {"enabled": True, "mode": "later"}},
        {"customer_update": {"enabled": True, "allowed_updates": ["age"]}},
        {"subscription_pause": {"enabled": True}},
        {},
    ]
    for features in refusals:
        with pytest.raises(stripe.InvalidRequestError):
            v1.configurations.create({"features": features})
    [default] = v1.configurations.list({"is_default": True}).data
    with pytest.raises(stripe.InvalidRequestError, match="default configuration"):
        v1.configurations.update(default.id, {"active": False})
    mine, theirs = local.subscribe(), local.subscribe()
    flows: list[dict[str, Any]] = [
        {"type": "subscription_cancel"},
        {"type": "subscription_cancel", "subscription_cancel": {"subscription": theirs.id}},
        {"type": "subscription_update", "subscription_update": {"subscription": mine.id}},
        {"type": "subscription_update_confirm"},
        {"type": "payment_method_update", "after_completion": {"type": "redirect"}},
    ]
    for flow in flows:
        with pytest.raises(stripe.InvalidRequestError):
            v1.sessions.create({"customer": mine.customer, "flow_data": flow})
