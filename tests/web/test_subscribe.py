"""Buying from the pages, with a local Stripe over real HTTP."""

from collections.abc import Iterator

import pytest

from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import CANARY, Installation, installation

pytestmark = on_sqlite


@pytest.fixture
def made(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(settings, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def test_from_the_wall_to_stripe_and_back_to_the_article(made: Installation) -> None:
    offer = {"offer": made.offers["monthly"], "return_to": "/articles/a"}
    to_stripe = made.browser.post("/subscribe", data=offer)
    assert to_stripe.status_code == 303
    assert to_stripe.headers["Location"].startswith(made.stripe_url)
    assert "pw_checkout" in made.browser.cookies
    session_id = to_stripe.headers["Location"].rstrip("/").rpartition("/")[2].partition("#")[0]
    assert made.pay(session_id).status_code == 200
    back = made.browser.get(f"/v1/checkout/return?session_id={session_id}")
    assert back.headers["Location"] == f"{made.url}/articles/a"
    assert CANARY in made.browser.get("/articles/a").text

    account = made.browser.get("/account").text
    assert "Renews on 10 April 2026 for €9.00." in account
    portal = made.browser.post("/account/portal")
    assert portal.status_code == 303
    assert portal.headers["Location"].startswith(made.stripe_url)
    again = made.browser.post("/subscribe", data=offer)
    assert (again.status_code, again.headers["Location"]) == (303, "/account")


def test_what_cant_be_bought_is_a_page_that_leads_back(made: Installation) -> None:
    gone = made.browser.post("/subscribe", data={"offer": "off_none", "return_to": "/articles/a"})
    assert gone.status_code == 404
    assert "This offer is no longer available" in gone.text
    assert 'href="/articles/a">Go back' in gone.text
    elsewhere = {"offer": made.offers["monthly"], "return_to": "//elsewhere.example/"}
    refused = made.browser.post("/subscribe", data=elsewhere)
    assert refused.status_code == 422
    assert "elsewhere" not in refused.text
    for fields in ({}, {"offer": ""}, {"offer": "\0"}):
        assert made.browser.post("/subscribe", data=fields).status_code == 422
