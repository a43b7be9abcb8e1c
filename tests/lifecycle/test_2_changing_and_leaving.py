"""A reader leaves, comes back, rests, changes the plan, and buys for less or in another currency."""

from collections.abc import Iterator

import pytest

from tests.checkout.gifts import look, redeem
from tests.checkout.rows import sell
from tests.lifecycle.paper import CARD_OF_A_NEWCOMER, EXTRA, MEMBERS, Paper, mails_about, told_on
from tests.plans import scans

pytestmark = [told_on("sqlite")]


@pytest.fixture(scope="module", autouse=True)
def _looking_up(paper: Paper) -> Iterator[None]:
    """Whatever happens in these stories, what is looked up has an index."""
    with scans(paper.site.settings.database_url) as reading_whole:
        yield
    assert not reading_whole, "these tables need an index, or the statements other conditions"


def test_cancelled_in_the_portal_and_resumed(paper: Paper) -> None:
    ina = paper.reader("ina")
    ina.buys("monthly")
    paper.passes(hours=1)
    ina.in_portal("cancel")
    # The portal sets the instant alone; the flag stays as it was.
    assert ina.subscription.cancel_at is not None
    assert ina.subscription.cancel_at_period_end is False
    assert ina.reads() == "subscription"
    assert "Cancelled" in ina.account
    assert (
        "You keep your access until then and won’t be charged again. Changed your mind? Resume it"
        in ina.account
    )

    paper.passes(hours=1)
    ina.in_portal("resume")
    assert "Cancelled" not in ina.account
    paper.passes(days=33)
    assert ina.reads() == "subscription"
    assert ina.paid == [900, 900]
    assert ina.happened == ["started", "cancel_scheduled", "resumed", "renewed"]

    ina.in_portal("cancel")
    until = ina.period_ends - paper.now
    paper.passes(seconds=until.total_seconds() - 1)
    assert ina.reads() == "subscription"
    paper.passes(seconds=1)
    assert ina.reads() is None
    assert "Ended on" in ina.account
    assert ina.told("ended")["reason"] == "voluntary"
    assert ina.paid == [900, 900]
    assert mails_about(ina).count("cancelled") >= 2


def test_cancelled_at_the_dashboard_and_resumed(paper: Paper) -> None:
    jan = paper.reader("jan")
    jan.buys("monthly")
    paper.passes(hours=1)
    subscriptions = paper.at_stripe.subscriptions
    subscriptions.update(jan.subscription.id, {"cancel_at_period_end": True})
    paper.settles()
    assert jan.reads() == "subscription"
    assert "Cancelled" in jan.account

    paper.passes(hours=1)
    subscriptions.update(jan.subscription.id, {"cancel_at_period_end": False})
    paper.settles()
    assert "Cancelled" not in jan.account
    paper.passes(days=32)
    assert jan.reads() == "subscription"
    assert jan.happened == ["started", "cancel_scheduled", "resumed", "renewed"]
    jan.leaves()


def test_cancelled_at_once(paper: Paper) -> None:
    kim = paper.reader("kim")
    kim.buys("monthly")
    paper.passes(days=3)
    paper.at_stripe.subscriptions.cancel(kim.subscription.id)
    paper.settles()
    assert kim.reads() is None
    assert "Ended on" in kim.account
    assert kim.happened == ["started", "ended"]
    assert kim.told("ended")["reason"] == "voluntary"
    assert mails_about(kim) == ["cancelled", "welcome"]


def test_a_pause_costs_nothing_and_closes_nothing(paper: Paper) -> None:
    lea = paper.reader("lea")
    lea.buys("monthly")
    paper.passes(hours=1)
    update = paper.at_stripe.subscriptions.update
    update(lea.subscription.id, {"pause_collection": {"behavior": "void"}})
    paper.settles()
    paper.passes(days=33)
    assert lea.reads() == "subscription"
    assert lea.paid == [900]

    update(lea.subscription.id, {"pause_collection": ""})
    paper.settles()
    paper.passes(days=31)
    assert lea.reads() == "subscription"
    assert lea.paid == [900, 900]
    assert lea.happened == ["started", "collection_paused", "collection_resumed", "renewed"]
    lea.leaves()


def test_a_paused_subscription_opens_nothing_until_it_is_resumed(paper: Paper) -> None:
    mo = paper.reader("mo")
    mo.buys("monthly")
    paper.at_stripe.subscriptions.pause(mo.subscription.id, {"type": "subscription"})
    paper.settles()
    assert mo.subscription.status == "paused"
    assert mo.reads() is None
    paper.passes(days=10)
    assert mo.reads() is None

    paper.at_stripe.subscriptions.resume(mo.subscription.id)
    paper.settles()
    assert mo.reads() == "subscription"
    assert "resumed" in mo.happened
    mo.leaves()


def test_switching_up_and_down_never_closes_anything(paper: Paper) -> None:
    nell = paper.reader("nell")
    nell.buys("monthly")
    assert (nell.reads(), nell.reads(EXTRA)) == ("subscription", None)

    def switch(offer: str) -> None:
        (item,) = nell.subscription["items"].data
        paper.at_stripe.subscriptions.update(
            nell.subscription.id,
            {
                "items": [{"id": item.id, "price": paper.price(offer)}],
                "proration_behavior": "always_invoice",
            },
        )
        assert nell.reads() == "subscription"
        paper.settles()

    paper.passes(days=10)
    switch("all-access")
    assert (nell.reads(), nell.reads(EXTRA)) == ("subscription", "subscription")
    assert nell.told("switched")["plan"] == "all-access"
    assert "€15.00" in nell.account
    assert 0 < nell.paid[-1] < 1500

    paper.passes(days=5)
    switch("monthly")
    assert (nell.reads(), nell.reads(EXTRA)) == ("subscription", None)
    assert nell.told("switched")["plan"] == "digital"
    paper.passes(days=20)
    assert nell.reads() == "subscription"
    assert nell.happened == ["started", "switched", "switched", "renewed"]
    nell.leaves()


def test_a_promotion_code_makes_the_first_month_cheaper(paper: Paper) -> None:
    coupon = paper.at_stripe.coupons.create({"percent_off": 50, "duration": "once"})
    paper.at_stripe.promotion_codes.create(
        {"code": "SPRING", "promotion": {"type": "coupon", "coupon": coupon.id}}
    )
    olga = paper.reader("olga")
    olga.buys("monthly", promotion_code="SPRING")
    assert olga.reads() == "subscription"
    assert olga.told("started")["amount_paid"] == 450
    paper.passes(days=32)
    assert olga.reads() == "subscription"
    assert olga.paid == [450, 900]
    olga.leaves()


def test_an_intro_price_lasts_as_long_as_it_says(paper: Paper) -> None:
    paul = paper.reader("paul")
    paul.buys("intro")
    for _ in range(3):
        paper.passes(days=31)
        assert paul.reads() == "subscription"
    assert paul.paid == [100, 100, 900, 900]
    paul.leaves()

    # It is for newcomers: who comes back pays what everybody pays.
    paul.buys("intro")
    assert paul.paid == [900]
    paul.leaves()


def test_two_currencies(paper: Paper) -> None:
    quinn, rosa = paper.reader("quinn"), paper.reader("rosa")
    quinn.buys("monthly")
    rosa.buys("trial", card=CARD_OF_A_NEWCOMER)
    paper.passes(days=32)
    assert quinn.told("renewed")["invoice_currency"] == "EUR"
    assert rosa.told("trial_paid")["invoice_currency"] == "USD"
    assert (quinn.reads(), rosa.reads(MEMBERS)) == ("subscription", "subscription")
    assert ("€9.00" in quinn.account, "$9.00" in rosa.account) == (True, True)
    rosa.leaves()

    # A reader may change the currency with the next subscription.
    quinn.leaves()
    quinn.buys("trial")
    assert quinn.paid == [900]
    assert quinn.subscription.currency == "usd"
    assert quinn.reads() == "subscription"
    quinn.leaves()


def test_a_present_waits_behind_the_readers_own_month_and_no_day_is_lost(paper: Paper) -> None:
    sell(
        paper.site,
        "present",
        amount=2500,
        currency="EUR",
        interval="day",
        interval_count=90,
        kind="gift",
    )
    nora, omar = paper.reader("nora"), paper.reader("omar")
    bought = nora.begins("present", gift={})
    nora.pays(bought)
    nora.comes_back(bought)
    (gift,) = nora.browser.get("/v1/me/gift-subscriptions").json()["items"]
    assert nora.reads() is None
    omar.buys("monthly")
    omar.signs_in()
    paper.passes(days=5)
    assert redeem(gift, omar.browser).json()["state"] == "waiting"
    omar.in_portal("cancel")
    look(paper.site)
    own = omar.period_ends - paper.now
    paper.passes(seconds=own.total_seconds() - 1)
    assert omar.reads() == "subscription"
    paper.passes(seconds=1)
    look(paper.site)
    assert omar.reads() == "gift"
    paper.passes(days=90, seconds=-1)
    assert omar.reads() == "gift"
    paper.passes(seconds=1)
    assert omar.reads() is None
    assert omar.paid == [900]


def test_a_team_shrinks_and_its_subscription_ends(paper: Paper) -> None:
    sell(paper.site, "team", amount=500, currency="EUR", interval="month", most_seats=10)
    pia, quin, rosa = (paper.reader(each) for each in ("pia", "quin", "rosa"))
    pia.buys("team", seats=3)
    for each in (quin, rosa):
        paper.passes(hours=1)
        seat = pia.browser.post("/v1/me/seats", json={}).json()
        each.signs_in()
        token = seat["url"].rpartition("/")[2]
        assert each.browser.post(f"/v1/seats/{token}/take").status_code == 200
        assert each.reads() == "seat"
    (item,) = pia.subscription["items"].data
    changed = {"items": [{"id": item.id, "quantity": 2}]}
    paper.at_stripe.subscriptions.update(pia.subscription.id, changed)
    paper.settles()
    assert [each.reads() for each in (pia, quin, rosa)] == ["subscription", "seat", None]
    pia.leaves()
    assert [each.reads() for each in (pia, quin, rosa)] == [None, None, None]
