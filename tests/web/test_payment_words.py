"""Readers' words for failed payments, stopped access, and passes."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from service.billing.language import as_pages_are
from service.db.tables import Subscription
from service.reports.bought import PassFacts, SubscriptionFacts
from service.reports.standing import standing_of
from service.reports.timeline import ArticleMention
from service.web.pass_words import pass_line
from service.web.subscription_shown import SubscriptionShown, subscription_shown
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW
from tests.web.conftest import Newspaper

INVOICE = "https://invoice.stripe.com/i/acct_1/test_1"
DAY = timedelta(days=1)
OWING: dict[str, Any] = {"past_due_since": NOW, "payment_url": INVOICE}
LISBON = ZoneInfo("Europe/Lisbon")
FACTS = SubscriptionFacts(
    reader_id="rdr_1", email=None, email_verified=False, subscription_id="sub_1",
    customer_id="cus_1", offer_id="off_1", offer_name="Digital, monthly", plan="digital",
    standing="active", since=NOW - 20 * DAY, until=NOW + 10 * DAY, period_end=NOW + 10 * DAY,
    cancel_at=None, trial_end=None, ended_at=None, past_due_since=None, pauses_collection=False,
    cancel_reason="", access_stop="", access_stopped_at=None, payment_problem="", payment_url=None,
    amount=900, currency="EUR", interval="month", interval_count=1,
    next_charge_at=NOW + 10 * DAY, next_amount=900,
)  # fmt: skip


def shown_of(**values: Any) -> SubscriptionShown:
    facts = FACTS._replace(**values)
    standing = standing_of(facts.status, facts.cancel_at, facts.outside)
    return subscription_shown(facts._replace(standing=standing), as_pages_are(LISBON), NOW)


def in_words(shown: SubscriptionShown) -> str:
    return " ".join((shown.status, shown.name, shown.price, shown.next, shown.advice))


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def account(newspaper: Newspaper) -> str:
    answer = await newspaper.browser.get("/account")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("values", "link", "expected"),
    [
        (
            {"status": "past_due", "payment_problem": "authentication", **OWING},
            "Confirm payment",
            (
                "Confirmation needed Digital, monthly €9.00 a month Your bank asks you to "
                "confirm the payment of €9.00. You can keep reading until 20 March 2026. Open"
                " the invoice to confirm the payment, or pay with another card."
            ),
        ),
        (
            {"status": "past_due", "payment_problem": "card", **OWING},
            "Pay invoice",
            (
                "Payment overdue Digital, monthly €9.00 a month Your payment of €9.00 failed."
                " You can keep reading until 20 March 2026. Update your payment details, or "
                "pay the open invoice."
            ),
        ),
        (
            {
                "status": "past_due",
                "payment_problem": "card",
                **OWING,
                "until": NOW - DAY,
            },
            "Pay invoice",
            "Your access ended on 9 March 2026. It resumes as soon as you pay the open invoice.",
        ),
        (
            {"status": "unpaid", "payment_problem": "authentication", **OWING},
            "Confirm payment",
            "You have no access until you pay the open invoice. Open the invoice to confirm",
        ),
        (
            {"status": "unpaid", "payment_problem": "card", **OWING},
            "Pay invoice",
            (
                "Unpaid Digital, monthly €9.00 a month Your payment of €9.00 failed. You have"
                " no access until you pay the open invoice. Update your payment details, or "
                "pay the open invoice."
            ),
        ),
    ],
)
def test_an_open_invoice(values: dict[str, Any], link: str, expected: str) -> None:
    shown = shown_of(**values)
    assert expected in in_words(shown)
    assert (shown.owes, shown.pay_url, shown.pay_text) == (True, INVOICE, link)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "Active Renews on 20 March 2026 for €9.00."),
        ({"next_amount": 450}, "Active Renews on 20 March 2026 for €4.50."),
        ({"next_amount": 0}, "Active Renews on 20 March 2026 free of charge."),
        ({"next_amount": None}, "Active Renews on 20 March 2026."),
        (
            {"status": "active", "cancel_at": NOW + 10 * DAY},
            "Cancelled Ends on 20 March 2026. You keep your access until then and won’t be charged again.",
        ),
        # The end that staff set is in a later period.
        (
            {"status": "active", "cancel_at": NOW + 40 * DAY},
            "Cancelled Renews on 20 March 2026 for €9.00. Ends on 19 April 2026.",
        ),
        (
            {"status": "trialing", "trial_end": NOW + 10 * DAY, "next_amount": 450},
            "Free trial Free until 20 March 2026, then €4.50 at first.",
        ),
        (
            {"status": "trialing", "trial_end": NOW + 10 * DAY, "next_amount": 0},
            "Free trial Free until 20 March 2026, then free of charge at first.",
        ),
        # Past due, and cancelled in the portal.
        (
            {
                "status": "past_due", "payment_problem": "card",
                "cancel_at": NOW + 20 * DAY, "open_amount": 450, "period_end": NOW + 20 * DAY,
                **OWING,
            },
            ("Payment overdue Your payment of €4.50 failed. You can keep reading until 20 "
            "March 2026. Your subscription is cancelled and ends on 30 March 2026. We will "
            "try the payment again. If it succeeds, you can read until 30 March 2026."),
        ),
        (
            {"status": "incomplete", "payment_problem": "bank"},
            "Payment processing",
        ),
        (
            {"outside": "price", "next_amount": 400},
            "doesn’t include access here. You will be charged €4.00 on 20 March 2026.",
        ),
        ({"outside": "discount", "next_amount": 400}, "for €4.00."),
        ({"outside": "status", "status": "resting"}, "Under review"),
    ],
)  # fmt: skip
def test_what_comes_next(values: dict[str, Any], expected: str) -> None:
    shown = shown_of(**values)
    assert expected in f"{shown.status} {shown.next}"


@on_sqlite
async def test_the_account_leads_to_the_open_invoice(newspaper: Newspaper) -> None:
    await newspaper.subscriber(status="past_due", payment_problem="authentication", **OWING)
    page = await account(newspaper)
    assert "Your bank asks you to confirm the payment of €9.00. You can keep reading" in words_of(
        page
    )
    assert f'<a class="button primary" href="{INVOICE}">Confirm payment</a>' in page
    assert "Pay or update your card" in page
    # Where the address isn't known, the payments lead there.
    async with newspaper.database.transaction() as session:
        await session.execute(update(Subscription).values(payment_url=None))
    page = await account(newspaper)
    assert "Find the open invoice in your payments and confirm it there." in words_of(page)
    assert "Confirm payment<" not in page


STOPPED = {"access_stopped_at": NOW - DAY}
ENDED = {"status": "canceled", "ended_at": NOW - DAY, **STOPPED}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"access_stop": "dispute", **STOPPED},
            (
                "On hold Digital, monthly €9.00 a month You or your bank disputed a payment. "
                "Your access has been on hold since 9 March 2026, until the bank decides. If "
                "this is a mistake, ask your bank to withdraw the dispute. Your access then "
                "resumes automatically."
            ),
        ),
        (
            {"access_stop": "dispute_lost", **ENDED},
            (
                "Your bank reversed a disputed payment, so your access ended on 9 March 2026. You"
                " can subscribe again"
            ),
        ),
        (
            {"access_stop": "dispute_lost", **STOPPED},
            "It is being cancelled. You can subscribe to a new offer in a minute.",
        ),
        (
            {"access_stop": "refund", **STOPPED},
            (
                "Your payment was refunded, and your access ended on 9 March 2026. Your "
                "access resumes with your next payment on 20 March 2026. If you don’t want "
                "that, cancel before then."
            ),
        ),
        (
            {"access_stop": "refund", "status": "active", "cancel_at": NOW + 10 * DAY, **STOPPED},
            "Your subscription ends on 20 March 2026, and you won’t be charged again.",
        ),
        (
            {"access_stop": "refund", "status": "past_due", **STOPPED},
            "Your access resumes when the next invoice is paid.",
        ),
        (
            {"access_stop": "refund", **ENDED},
            (
                "Refunded Digital, monthly €9.00 a month Your payment was refunded, and your "
                "access ended on 9 March 2026. You can subscribe again at any time."
            ),
        ),
        (
            {"access_stop": "trial_used", "trial_end": NOW - DAY, **ENDED},
            (
                "This card has already been used for a free trial, so we cancelled this one. "
                "You weren’t charged."
                " You can still subscribe without a trial, also with this card."
            ),
        ),
        (
            {"access_stop": "trial_used", **ENDED},
            (
                "This card has already been used for an introductory price, so we cancelled "
                "this one. We will refund what you paid. You can still subscribe at the "
                "regular price, also with this card."
            ),
        ),
        ({"access_stop": "trial_used", "status": "trialing", **STOPPED}, "It is being cancelled."),
        (
            {"access_stop": "duplicate", **ENDED},
            "You subscribed twice. We cancelled this subscription and will refund what you paid",
        ),
        (
            {"pauses_collection": True},
            (
                "Payments paused Digital, monthly €9.00 a month You won’t be charged for now,"
                " and you keep your access. When payments resume, you pay €9.00 a month."
            ),
        ),
        (
            {"pauses_collection": True, "status": "trialing", "trial_end": NOW + DAY},
            "Free until 11 March 2026. Payments are paused: you won’t be charged after that either.",
        ),
    ],
)
def test_what_stopped_access_and_what_to_do(values: dict[str, Any], expected: str) -> None:
    shown = shown_of(payment_url=INVOICE, **values)
    assert expected in in_words(shown)
    assert (shown.owes, shown.pay_url) == (False, None)


@on_sqlite
async def test_one_bought_twice_is_told_beside_the_one_that_stays(newspaper: Newspaper) -> None:
    reader, offer = rows.reader(), rows.offer()
    kept = rows.subscription(reader, offer)
    double = rows.subscription(
        reader, offer, started_at=NOW - DAY, access_stop="duplicate", access_stopped_at=NOW - DAY
    )
    await newspaper.store(reader, offer, kept, double)
    await newspaper.sign_in(reader.id)
    told = "Digital, monthly: You subscribed twice. We cancelled this subscription"
    page = words_of(await account(newspaper))
    assert "Active Digital, monthly" in page
    assert told in page
    newspaper.clocks.travel(timedelta(days=31))
    assert told not in words_of(await account(newspaper))


@on_sqlite
async def test_the_banner_shows_and_goes_with_a_new_card(newspaper: Newspaper) -> None:
    await newspaper.publish("a")
    banner = '<p class="notice owing" role="status">Your payment failed'

    async def pages() -> list[str]:
        return [(await newspaper.browser.get(path)).text for path in ("/", "/articles/a")]

    async def now_it_is(**values: Any) -> None:
        async with newspaper.database.transaction() as session:
            await session.execute(update(Subscription).values(**values))

    assert [banner in page for page in await pages()] == [False, False]
    await newspaper.subscriber(status="past_due", payment_problem="card")
    for page in await pages():
        assert f'{banner}. <a href="/account">' in page
    read = await newspaper.browser.post("/articles/a", data={})
    assert banner in read.text
    await now_it_is(payment_problem="authentication")
    for page in await pages():
        assert "Your bank asks you to confirm your payment." in page
    # A reader who disputes a payment isn't asked for it.
    await now_it_is(access_stop="dispute")
    assert [banner in page for page in await pages()] == [False, False]
    await now_it_is(access_stop="", status="active", payment_problem="")
    assert [banner in page for page in await pages()] == [False, False]
    await now_it_is(status="canceled", payment_problem="card")
    assert [banner in page for page in await pages()] == [False, False]


WEEK = PassFacts(
    id="pi_1", offer_name="Week", plan="digital", article=None, amount=300, currency="EUR",
    paid_at=NOW - DAY, starts_at=NOW - DAY, ends_at=NOW + 6 * DAY, access_stop="",
    access_stopped_at=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "Your pass Week opens the plan digital until 16 March 2026, 09:00."),
        (
            {"starts_at": NOW + DAY},
            (
                "Your pass Week opens the plan digital from 11 March 2026, 09:00 until 16 March 2026,"
                " 09:00."
            ),
        ),
        (
            {"article": ArticleMention("art_1", "a", "The ferry")},
            "Your pass Week opens “The ferry” until 16 March 2026, 09:00.",
        ),
        (
            {"article": ArticleMention(None, None, None)},
            "Your pass Week opens one article until 16 March 2026, 09:00.",
        ),
        (
            {"access_stop": "dispute"},
            (
                "Your pass Week is on hold because you or your bank disputed the payment. If that is a"
                " mistake, ask your bank to withdraw the dispute."
            ),
        ),
        (
            {"access_stop": "refund"},
            "Your pass Week has been refunded. You can buy another one.",
        ),
    ],
)
def test_a_pass_in_words(values: dict[str, Any], line: str) -> None:
    assert pass_line(replace(WEEK, **values), NOW, LISBON) == line


@on_sqlite
async def test_passes_that_run_stand_in_the_account(newspaper: Newspaper) -> None:
    reader, offer, ferry = rows.reader(), rows.offer(name="Week"), rows.article("a", "The ferry")
    single = rows.offer(name="One", covers="article", plan="", position=2)
    paid = rows.checkout(reader, offer, NOW - DAY)
    one = rows.checkout(reader, single, NOW - DAY, article_id=ferry.id)
    slow = rows.checkout(reader, offer, NOW, status="processing", processing_since=NOW)
    await newspaper.store(
        reader, offer, single, ferry, paid, one, slow,
        rows.bought_pass(reader, offer, paid),
        rows.bought_pass(reader, offer, paid, ends_at=NOW),
        rows.bought_pass(reader, single, one, scope=f"article:{ferry.id}"),
    )  # fmt: skip
    await newspaper.sign_in(reader.id)
    page = words_of(await account(newspaper))
    assert "Your payment for Week is being processed. This can take several days." in page
    assert page.count("Your pass Week opens the plan digital until 16 March 2026, 09:00.") == 1
    assert page.count("Your pass One opens “The ferry” until 16 March 2026, 09:00.") == 1
    assert page.count("Your pass") == 2
