"""A reader begins and pays, month after month; and once a payment fails."""

from tests.lifecycle.paper import (
    ANOTHER_GOOD_CARD,
    CARD_OF_A_CAREFUL_BANK,
    CARD_WITHOUT_MONEY,
    EXTRA,
    MEMBERS,
    Paper,
    mails_about,
    told_on,
)

pytestmark = [told_on("postgresql")]


def test_a_trial_becomes_a_subscription(paper: Paper) -> None:
    ana = paper.reader("ana")
    assert ana.reads() is None
    ana.buys("trial")
    assert ana.reads() == "subscription"
    assert ana.paid == [0]
    assert "Free trial" in ana.account
    assert "then $9.00 a month. Cancel before then and you won’t be charged." in ana.account

    paper.passes(days=12)
    assert ana.happened == ["started", "trial_will_end"]
    assert ana.reads() == "subscription"

    paper.passes(days=3)
    assert ana.subscription.status == "active"
    assert ana.reads() == "subscription"
    assert ana.paid == [0, 900]
    assert "Active" in ana.account
    assert "Renews on" in ana.account
    assert ana.happened == ["started", "trial_will_end", "trial_paid"]
    ana.leaves()
    assert mails_about(ana) == ["cancelled", "receipt", "trial-ending", "welcome"]


def test_a_card_has_one_trial_for_all_readers(paper: Paper) -> None:
    first, second = paper.reader("bea"), paper.reader("bo")
    first.buys("trial", card=ANOTHER_GOOD_CARD)
    paper.passes(hours=1)
    second.buys("trial", card=ANOTHER_GOOD_CARD)
    paper.settles()
    assert first.reads() == "subscription"
    assert second.reads() is None
    assert second.subscription.status == "canceled"
    assert second.paid == [0]
    assert second.told("ended")["reason"] == "trial_used"
    assert "trial-used" in mails_about(second)

    # Without a trial they are welcome: the same offer now costs from the first day.
    second.buys("trial", card=ANOTHER_GOOD_CARD)
    assert second.reads() == "subscription"
    assert second.paid == [900]
    first.leaves()
    second.leaves()


def test_month_after_month_it_renews_without_a_gap(paper: Paper) -> None:
    carl = paper.reader("carl")
    carl.buys("monthly")
    for _ in range(6):
        paper.passes(days=11)
        assert carl.reads() == "subscription"
        assert not carl.is_told_to_pay()
    assert carl.happened == ["started", "renewed", "renewed"]
    assert carl.paid == [900, 900, 900]
    assert mails_about(carl) == ["receipt", "receipt", "welcome"]
    carl.leaves()


def test_a_renewal_fails_and_another_card_pays_it(paper: Paper) -> None:
    dora = paper.reader("dora")
    dora.buys("monthly")
    dora.gives_card(CARD_WITHOUT_MONEY)
    assert "Active" in dora.account

    paper.passes(days=32)
    assert dora.subscription.status == "past_due"
    assert dora.reads() == "subscription"
    assert dora.is_told_to_pay()
    assert "Your payment of €9.00 failed. You can keep reading until" in dora.account
    assert "Pay or update your card" in dora.account
    assert "payment-failed" in mails_about(dora)

    paper.passes(days=4)
    assert dora.reads() == "subscription"
    dora.gives_card(ANOTHER_GOOD_CARD)
    assert dora.subscription.status == "active"
    assert dora.reads() == "subscription"
    assert not dora.is_told_to_pay()
    assert "couldn’t collect" not in dora.account
    failed = dora.happened.count("payment_failed")
    assert failed >= 2
    assert dora.happened == ["started", *["payment_failed"] * failed, "recovered", "renewed"]
    assert dora.paid == [900, 900]
    dora.leaves()
    mails = mails_about(dora)
    assert (mails.count("payment-failed"), mails.count("receipt")) == (1, 1)


def test_a_renewal_fails_for_good(paper: Paper) -> None:
    emil = paper.reader("emil")
    emil.buys("monthly")
    emil.gives_card(CARD_WITHOUT_MONEY)
    paper.passes(days=32)
    assert emil.reads() == "subscription"
    # The days of grace count from the invoice: after them there is a wall, though Stripe still tries.
    paper.passes(days=12)
    assert emil.reads() == "subscription"
    paper.passes(days=2)
    assert emil.reads() is None
    paper.passes(days=4)
    assert emil.subscription.status == "canceled"
    assert "Ended on" in emil.account
    assert emil.told("ended")["reason"] == "payment_failed"
    assert emil.paid == [900]
    # Reminders are looked for once a minute, which these tests don't wait for.
    mails = [kind for kind in mails_about(emil) if not kind.startswith("reading-")]
    assert mails == ["ended", "payment-failed", "welcome"]

    # Over is over; they may begin again whenever they like.
    emil.buys("monthly")
    assert emil.reads() == "subscription"
    emil.leaves()


def test_a_bank_wants_to_be_asked_each_time(paper: Paper) -> None:
    gwen = paper.reader("gwen")
    session = gwen.begins("monthly")
    gwen.pays(session, card=CARD_OF_A_CAREFUL_BANK, authenticate=True)
    assert gwen.comes_back(session).status_code == 303
    assert gwen.reads() == "subscription"

    paper.passes(days=32)
    assert gwen.subscription.status == "past_due"
    assert gwen.reads() == "subscription"
    assert gwen.profile["subscription"]["payment_problem"]["needs"] == "authentication"
    assert "Your bank asks you to confirm" in gwen.account
    assert "card-needed" in mails_about(gwen)

    paper.hook(f"invoice/{gwen.subscription.latest_invoice}/authenticate")
    paper.settles()
    assert gwen.subscription.status == "active"
    assert gwen.reads() == "subscription"
    assert not gwen.is_told_to_pay()
    assert gwen.paid == [900, 900]
    gwen.leaves()
    mails = mails_about(gwen)
    assert (mails.count("card-needed"), mails.count("payment-failed")) == (1, 0)


def test_a_week_bought_once(paper: Paper) -> None:
    fay = paper.reader("fay")
    fay.buys("week")
    assert fay.reads() == "pass"
    assert fay.reads(EXTRA) is None
    assert "Your pass Week opens the plan digital until" in fay.account
    paper.passes(days=6.9)
    assert fay.reads(MEMBERS) == "pass"
    paper.passes(days=0.1)
    assert fay.reads() is None
    assert fay.happened[0] == "pass.bought"
    assert mails_about(fay) == ["pass"]


def test_by_bank_debit_reading_waits_for_the_money(paper: Paper) -> None:
    gus, hal = paper.reader("gus"), paper.reader("hal")
    for reader, account in ((gus, "DE89370400440532013000"), (hal, "DE62370400440532013001")):
        session = reader.begins("monthly")
        reader.pays(session, method="bank_debit", account=account)
        reader.comes_back(session)
        paper.settles()
        assert reader.reads() is None
        assert [each["name"] for each in reader.profile["processing"]] == ["Monthly"]
        told = reader.account
        assert told.count("Your payment for Monthly is being processed.") == 1
        assert "Payment not completed" not in told
        assert "ubscribe again" not in told

    paper.passes(days=6)
    assert gus.reads() == "subscription"
    assert hal.reads() is None
    assert (gus.profile["processing"], hal.profile["processing"]) == ([], [])
    assert gus.happened == ["started"]
    assert hal.happened == []
    assert (gus.paid, hal.paid) == ([900], [])
    gus.leaves()
    assert mails_about(gus) == ["cancelled", "welcome"]
    assert mails_about(hal) == []
