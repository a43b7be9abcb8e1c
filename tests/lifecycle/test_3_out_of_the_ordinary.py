"""Money goes back, banks contest it, people pay twice, things vanish at Stripe, and nobody hears of it."""

from typing import Any

from service.access.words import long_day
from tests.lifecycle.paper import MEMBERS, Paper, Reader, mails_about, told_on
from tests.patience import wait_until

pytestmark = [told_on("postgresql")]


def test_a_month_of_which_nobody_told_us_is_made_up_for(paper: Paper) -> None:
    """The first story: all that was ever told is compared."""
    renews, leaves, pays = (paper.reader(name) for name in ("zoe", "zack", "zita"))
    renews.buys("monthly")
    leaves.buys("monthly")
    paper.hook("chaos", seed=1, drop=1.0)  # as if we were away: no webhook ever arrives
    begun = pays.begins("monthly")
    pays.pays(begun)
    paper.passes(days=3)
    paper.at_stripe.subscriptions.cancel(leaves.subscription.id)
    left_on = paper.now
    paper.passes(days=29)
    paper.hook("chaos")

    run = paper.newsroom("POST", "reconcile", fix=True)["id"]
    report = finished(paper, run)
    assert report["events_missed"] > 0
    assert report["remaining"] == 0
    assert renews.reads() == "subscription"
    assert renews.happened == ["started", "renewed"]
    assert leaves.reads() is None
    assert f"Ended on {long_day(left_on, paper.site.settings.zone)}" in leaves.account
    # The third never came back. What was bought with their address is theirs to take over.
    pays.signs_in()
    (bought,) = pays.browser.get("/v1/me").json()["purchases"]
    assert pays.browser.post(f"/v1/me/purchases/{bought['id']}").status_code == 204
    assert pays.reads(MEMBERS) == "subscription"
    assert pays.happened == ["started", "renewed"]

    again = finished(paper, paper.newsroom("POST", "reconcile", fix=False)["id"])
    assert (again["events_missed"], again["found"]) == (0, 0)
    for reader in (renews, pays):
        reader.leaves()


def finished(paper: Paper, run: str) -> dict[str, Any]:
    """The report of a comparison, once it is there."""

    def found() -> list[dict[str, Any]]:
        runs = paper.newsroom("GET", "reconciliations")["items"]
        return [each for each in runs if each["id"] == run and each["finished_at"] is not None]

    wait_until(found, "the comparison is finished")
    return found()[0]


def refund(reader: Reader, **body: object) -> Any:
    """The newsroom gives money back, on the reader's page in the back office or by its API."""
    given = reader.paper.newsroom(
        "POST",
        f"subscribers/{reader.profile['id']}/refund",
        subscription=reader.subscription.id,
        key=f"story-{reader.email.partition('@')[0]}-{len(reader.happened)}",
        **body,
    )
    reader.paper.settles()
    return given


def test_a_part_of_the_money_goes_back(paper: Paper) -> None:
    sam = paper.reader("sam")
    sam.buys("monthly")
    paper.passes(hours=1)
    given = refund(sam, amount=300, access="keep")
    assert (given["amount"], given["currency"]) == (300, "EUR")
    assert sam.reads() == "subscription"
    assert sam.happened == ["started", "payment.refunded"]
    assert mails_about(sam) == ["refund", "welcome"]
    sam.leaves()


def test_all_of_the_money_goes_back(paper: Paper) -> None:
    tess = paper.reader("tess")
    tess.buys("monthly")
    paper.passes(days=2)
    refund(tess, access="end_access")
    assert tess.reads() is None
    assert tess.subscription.status == "active"
    assert "payment.refunded" in tess.happened
    assert mails_about(tess).count("refund") == 1
    # A reader who pays the next month reads again.
    paper.passes(days=32)
    assert tess.reads() == "subscription"
    tess.leaves()


def test_a_dispute_is_lost(paper: Paper) -> None:
    uma = paper.reader("uma")
    uma.buys("monthly")
    paper.passes(days=3)
    dispute = paper.hook("dispute", charge=uma.charge)
    paper.settles()
    assert uma.reads() is None

    paper.at_stripe.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": "losing_evidence"}, "submit": True}
    )
    paper.passes(days=1)
    assert uma.reads() is None
    assert uma.subscription.status == "canceled"
    assert uma.happened == ["started", "disputed", "dispute_closed", "ended"]


def test_a_customer_is_deleted_at_stripe(paper: Paper) -> None:
    vic = paper.reader("vic")
    vic.buys("monthly")
    paper.passes(hours=1)
    paper.at_stripe.customers.delete(vic.subscription.customer)
    paper.settles()
    assert vic.reads() is None
    assert "Ended on" in vic.account
    assert vic.happened[-1] == "ended"
    # They can begin again, as somebody new to Stripe.
    vic.buys("monthly")
    assert vic.reads() == "subscription"
    vic.leaves()


def test_two_tabs_pay_twice(paper: Paper) -> None:
    on_the_phone, at_home = paper.reader("xenia"), paper.reader("xenia")
    on_the_phone.buys("monthly")
    paper.passes(hours=1)
    at_home.buys("monthly")
    assert (on_the_phone.reads(), at_home.reads()) == ("subscription", "subscription")

    # Nobody knows yet that these are one; the link in the mail proves it.
    on_the_phone.signs_in()
    at_home.signs_in()
    paper.settles()
    assert on_the_phone.profile["id"] == at_home.profile["id"]
    assert (on_the_phone.reads(), at_home.reads()) == ("subscription", "subscription")
    assert on_the_phone.subscription.status == "active"
    assert at_home.subscription.status == "canceled"
    (back,) = paper.at_stripe.refunds.list({"charge": at_home.charge}).data
    assert (back.amount, back.metadata["reason"]) == (900, "duplicate")
    assert at_home.told("ended")["reason"] == "duplicate"
    assert mails_about(at_home).count("refund") == 1

    # The operator sees both in the audit log.
    seen = paper.newsroom("GET", "audit")["items"]
    mine = {each["action"] for each in seen if each["target"] == at_home.profile["id"]}
    assert {"subscription.cancel", "payment.refund"} <= mine
    on_the_phone.leaves()
