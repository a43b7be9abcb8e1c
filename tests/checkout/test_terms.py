"""On which terms a session is opened: intro prices, promotion codes, taxes; once or each period."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.settings import Settings
from tests.checkout.rows import DAY, sell, sessions, sign_in
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk

INTRO: dict[str, Any] = {"amount": 900, "currency": "EUR", "interval": "month", "intro_amount": 100}


def refused_field(answer: Any) -> str:
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    field: str = error["field"]
    return field


def opened(site: Installation, answer: Any) -> dict[str, Any]:
    """The local Stripe's session behind an answer."""
    assert answer.status_code == 201, answer.text
    (found,) = (each for each in sessions(site) if each["id"] == answer.json()["session_id"])
    return found


def paid_amounts(site: Installation) -> list[int]:
    """What Stripe has charged, in the order of time."""
    charges = site.simulator.world.store.find("charge", [])
    return [each["amount"] for each in sorted(charges, key=lambda each: each["created"])]


@on_sqlite
def test_an_intro_reduces_no_other_price(site: Installation) -> None:
    sell(site, "intro", **INTRO, intro_periods=3)
    site.subscribe("intro")
    with site.new_browser() as other, sdk(site.stripe_url) as stripe:
        body = {"offer": site.offers["monthly"], "return_to": "/articles/a"}
        assert other.post("/v1/checkout", json=body).status_code == 201
        (product,) = (
            each.id for each in stripe.products.list().data if each.id == "pw_plan_digital"
        )
        cheaper = {"unit_amount": 300, "currency": "eur", "recurring": {"interval": "week"}}
        price = stripe.prices.create({"product": product, **cheaper})
        (bought,) = stripe.subscriptions.list({"expand": ["data.latest_invoice"]}).data
        assert bought.latest_invoice.total == 100
        (item,) = bought["items"].data
        switch = {"items": [{"id": item.id, "price": price.id}], "proration_behavior": "none"}
        changed = stripe.subscriptions.update(bought.id, {**switch, "expand": ["latest_invoice"]})
        assert changed.latest_invoice.total == 300


@on_sqlite
def test_an_intro_is_for_who_never_subscribed(site: Installation) -> None:
    sell(site, "intro", **INTRO, intro_periods=2)
    sign_in(site)
    wall = site.unlock("a").json()["wall"]
    (shown,) = (each for each in wall["offers"] if each["id"] == site.offers["intro"])
    assert shown["price_text"] == "€1.00 a month for 2 months, then €9.00 a month"
    # Stripe takes one discount a session, and shows no field for codes beside it.
    assert (
        refused_field(site.start_checkout("intro", promotion_code="ANY")) == "body.promotion_code"
    )
    session = opened(site, site.start_checkout("intro"))
    assert (session["amount_total"], session["allow_promotion_codes"]) == (100, None)
    site.subscribe("intro")
    assert site.unlock("a").json()["reason"] == "subscription"
    for _ in range(2):
        site.travel(timedelta(days=31))
    assert paid_amounts(site) == [100, 100, 900]

    (bought,) = site.simulator.world.store.find("subscription", [])
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.cancel(bought["id"])
    site.settle()
    site.clocks.travel(DAY)
    wall = site.unlock("a").json()["wall"]
    (shown,) = (each for each in wall["offers"] if each["id"] == site.offers["intro"])
    assert (shown["price_text"], shown["intro_amount"]) == ("€9.00 a month", None)
    again = opened(site, site.start_checkout("intro"))
    assert (again["amount_total"], again["allow_promotion_codes"]) == (900, True)


@on_sqlite
def test_a_promotion_code_is_passed_on(site: Installation) -> None:
    with sdk(site.stripe_url) as stripe:
        coupon = stripe.coupons.create({"percent_off": 50, "duration": "once"})
        stripe.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"}
        )
        over = stripe.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "OVER"}
        )
        stripe.promotion_codes.update(over.id, {"active": False})
    assert refused_field(site.start_checkout(promotion_code="OVER")) == "body.promotion_code"
    typed = opened(site, site.start_checkout())
    assert (typed["allow_promotion_codes"], typed["amount_total"]) == (True, 900)
    reduced = opened(site, site.start_checkout(promotion_code="HALF"))
    assert (reduced["allow_promotion_codes"], reduced["amount_total"]) == (None, 450)
    assert site.pay(reduced["id"]).status_code == 200
    back = site.browser.get("/v1/checkout/return", params={"session_id": reduced["id"]})
    assert back.status_code == 303
    assert site.unlock("a").json()["reason"] == "subscription"
    assert paid_amounts(site) == [450]


@pytest.fixture
def taxed(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    wanted = {"stripe_automatic_tax": True, "stripe_collect_tax_ids": True}
    with installation(settings.model_copy(update=wanted), clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


@on_sqlite
def test_taxes_are_stripes_work(taxed: Installation) -> None:
    sell(taxed, "day", amount=200, currency="EUR", interval="day", kind="pass")
    anonymous = opened(taxed, taxed.start_checkout())
    sign_in(taxed)
    taxed.browser.cookies.delete("pw_checkout")
    for offer in ("monthly", "day"):
        known = opened(taxed, taxed.start_checkout(offer))
        assert known["customer"] is not None
        for session in (anonymous, known):
            assert session["automatic_tax"]["enabled"] is True
            assert session["tax_id_collection"]["enabled"] is True


@on_sqlite
def test_untaxed_unless_the_settings_say_so(site: Installation) -> None:
    session = opened(site, site.start_checkout())
    assert session["automatic_tax"]["enabled"] is False
    assert session.get("tax_id_collection") is None
