"""Every kind of story of one reader, then erased: an hour later no table of the database names them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from service.db.tables import Mail, Pass, Reader
from service.identity.cookies import cookie_name
from service.identity.devices import pseudonym
from service.settings import Settings
from tests.account.known_reader import Site, mailing_site
from tests.account.test_erase import erase
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.patience import wait_until
from tests.served import Installation
from tests.stripe_at_hand import sdk

ADDRESS = "zaida.quillon@mailhaus.example"
TYPED, CHANGED, WANTED = (
    "wallet-of-zq@typedhaus.example",
    "zq@dashhaus.example",
    "zq@wantedhaus.example",
)
PARTS = ("zaida", "quillon", "mailhaus", "typedhaus", "dashhaus", "wantedhaus", "wallet-of-zq")


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Site]:
    with mailing_site(settings, clocks) as made:
        yield made


def buy(at: Installation, browser: object, offer: str, email: str) -> None:
    """Buy in this browser, with this address typed in Checkout."""
    at.clocks.travel(timedelta(seconds=1))
    started = browser.post(  # type: ignore[attr-defined]
        "/v1/checkout", json={"offer": at.offers[offer], "return_to": "/articles/a"}
    )
    assert started.status_code == 201, started.text
    session_id = started.json()["session_id"]
    assert at.pay(session_id, email=email).status_code == 200
    browser.get(f"/v1/checkout/return?session_id={session_id}")  # type: ignore[attr-defined]
    at.settle()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_table_names_an_erased_reader_an_hour_later(site: Site) -> None:
    at, browser = site.at, site.at.browser
    sell(at, "day", amount=200, currency="EUR", interval="day", kind="pass")
    browser.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux) Gecko/20100101 Quillonbrowser/1.0"
    assert browser.post("/v1/articles/b/unlock", json={}).status_code == 200
    # A purchase before signing in, with another address than the one that is confirmed then.
    buy(at, browser, "day", TYPED)
    buy(at, browser, "monthly", TYPED)
    site.sign_in(browser, ADDRESS)
    with closing(at.new_browser()) as other, sdk(at.stripe_url) as stripe:
        site.sign_in(other, ADDRESS)
        assert at.unlock("c", other).status_code == 200
        # Asked for and never confirmed; and changed at Stripe's dashboard.
        assert browser.post("/v1/me/address", json={"email": WANTED}).status_code == 202
        for customer in stripe.customers.list({}).data:
            stripe.customers.update(customer.id, {"email": CHANGED, "name": "Zaida Quillon"})
        at.settle()
        # Somebody else types the address in Checkout, and asks to sign in with it.
        with closing(at.new_browser()) as stranger:
            buy(at, stranger, "day", ADDRESS)
            assert stranger.post("/v1/sign-in", json={"email": ADDRESS}).status_code == 202
        (subscription,) = stripe.subscriptions.list({"status": "all"}).data
        stripe.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        at.settle()
        stored = site.dump().lower()
        assert [part for part in PARTS if part not in stored] == ["dashhaus"]
        settings = at.settings
        devices = [
            str(each.cookies[cookie_name("device", settings)]).split(".")[1]
            for each in (browser, other)
        ]
        assert erase(browser, cancel_subscription=True).status_code == 204
    at.settle()
    wait_until(
        lambda: all(each.status != "waiting" for each in rows(at, Mail) if each.kind == "erased"),
        "the last mail leaves",
    )
    at.clocks.travel(timedelta(hours=1, minutes=1))
    site.sweep()
    stored = site.dump().lower()
    traces = [*PARTS, "quillonbrowser", *devices, *map(pseudonym, devices)]
    assert [trace for trace in traces if trace.lower() in stored] == []
    assert any(each.erased_at for each in rows(at, Reader))
    # The stranger keeps what they bought.
    kept = [each for each in rows(at, Pass) if each.access_stop == ""]
    assert len(kept) >= 1
