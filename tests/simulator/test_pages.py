"""The hosted pages: what they send, and in Chromium without JavaScript, at 320 pixels, dark, light."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chromium import new_profile, running_chromium
from tests.simulator.local import DECLINED, FAILS_LATER, LocalStripe
from tests.simulator.test_portal import features_for


def _pages(local: LocalStripe) -> dict[str, str]:
    """The address of each page in each of its states."""
    priced = local.price(90000, "year")
    overdue = local.subscribe(priced, card=FAILS_LATER, subscription_data={"trial_period_days": 1})
    local.move(days=2)
    late = local.v1.billing_portal.sessions.create({"customer": overdue.customer})
    subscription = local.subscribe(priced)
    portal = local.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "return_url": f"{local.url}/"}
    )
    once = local.v1.prices.create(
        {"product": priced.product, "unit_amount": 300, "currency": "eur"}
    )
    asking = local.session(once, mode="payment")
    local.pay(asking, "4000002760003184")
    saving = local.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "eur", "success_url": f"{local.url}/"}
    )
    features = features_for(local.price(1900))
    full = local.v1.billing_portal.configurations.create({"features": features})
    rich = local.v1.billing_portal.sessions.create(
        {"customer": overdue.customer, "configuration": full.id}
    )
    taxed = local.session(priced, tax_id_collection={"enabled": True})
    expired = local.session(priced)
    local.v1.checkout.sessions.expire(expired.id)
    complete = local.v1.checkout.sessions.list({"status": "complete"}).data[0]
    return {
        "home": "/",
        "checkout": f"/checkout/{local.session(priced).id}",
        "trial": f"/checkout/{local.session(subscription_data={'trial_period_days': 14}).id}",
        "debit": f"/checkout/{asking.id}?method=bank_debit",
        "bank": f"/checkout/{asking.id}/authenticate",
        "taxes": f"/checkout/{taxed.id}",
        "code": f"/checkout/{local.session(allow_promotion_codes=True).id}",
        "setup": f"/checkout/{saving.id}",
        "complete": f"/checkout/{complete.id}",
        "expired": f"/checkout/{expired.id}",
        "invoice": f"/invoice/{local.v1.subscriptions.retrieve(overdue.id).latest_invoice}",
        "missing": "/checkout/cs_test_none",
        "portal": portal.url.removeprefix(local.url),
        "every feature": rich.url.removeprefix(local.url),
        "overdue": late.url.removeprefix(local.url),
    }


def test_pages_say_what_they_are_and_run_nothing(local: LocalStripe) -> None:
    for name, path in _pages(local).items():
        page = local.browser.get(path)
        assert page.status_code == (404 if name == "missing" else 200), name
        assert "Local Stripe, no real money" in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert page.headers["Cache-Control"] == "no-store"


def test_pages_show_what_others_wrote_as_text(local: LocalStripe) -> None:
    script = "<script>alert(1)</script>"
    product = local.v1.products.create({"name": script})
    price = local.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 500,
            "currency": "jpy",
            "recurring": {"interval": "month", "interval_count": 3},
        }
    )
    session = local.session(price, customer_email='"><b>@example.org')
    text = local.browser.get(f"/checkout/{session.id}").text
    assert script not in text
    assert "<b>" not in text
    assert "500 JPY every 3 months" in text
    refused = local.browser.post(f"/checkout/{session.id}", data={"card": script, "email": script})
    assert script not in refused.text


@pytest.fixture
def chromium(local: LocalStripe) -> Iterator[Any]:
    pytest.importorskip("playwright.sync_api", reason="needs the group browser")
    with running_chromium() as running:
        yield running


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_a_screen_reader(
    local: LocalStripe, chromium: Any, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = new_profile(
        chromium, base_url=local.url, viewport={"width": 320, "height": 700}, color_scheme=scheme
    )
    page = context.new_page()
    for name, path in _pages(local).items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        found = Axe().run(page).response["violations"]
        assert [entry["id"] for entry in found] == [], name
    context.close()


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_paying_and_cancelling_need_no_javascript(local: LocalStripe, chromium: Any) -> None:
    context = new_profile(
        chromium, viewport={"width": 390, "height": 844}, java_script_enabled=False
    )
    page = context.new_page()
    session = local.session(success_url=f"{local.url}/?paid={{CHECKOUT_SESSION_ID}}")
    page.goto(session.url)
    page.get_by_label("E-mail").fill("ana@example.org")
    page.get_by_label("Name on the card").fill("Ana")
    page.get_by_label("Card number").fill(DECLINED)
    page.get_by_role("button", name="Pay 9.00 EUR").click()
    assert "Your card was declined." in page.get_by_role("alert").inner_text()
    assert page.get_by_label("E-mail").input_value() == "ana@example.org"
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay 9.00 EUR").click()
    page.wait_for_url(f"{local.url}/?paid={session.id}")
    bought = local.v1.checkout.sessions.retrieve(session.id)
    portal = local.v1.billing_portal.sessions.create({"customer": bought.customer})
    page.goto(portal.url)
    page.get_by_role("button", name="Cancel at the end of the period").click()
    page.get_by_role("button", name="Keep the subscription").wait_for()
    assert local.v1.subscriptions.retrieve(bought.subscription).cancel_at
    page.get_by_role("button", name="Keep the subscription").click()
    page.get_by_role("button", name="Cancel at the end of the period").wait_for()
    assert not local.v1.subscriptions.retrieve(bought.subscription).cancel_at
    page.get_by_label("Card number").fill(DECLINED)
    page.get_by_role("button", name="Save this card").click()
    assert "Your card was declined." in page.get_by_role("alert").inner_text()
    page.get_by_label("Card number").fill(FAILS_LATER)
    page.get_by_role("button", name="Save this card").click()
    page.get_by_text("card ending in 0341").wait_for()
    context.close()
