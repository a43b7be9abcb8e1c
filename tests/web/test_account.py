"""The account: plan in words, the link that signs in, and its end."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from service.identity.cookies import cookie_name
from service.identity.sign_in_requests import create_sign_in_link
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW
from tests.web.conftest import Newspaper

pytestmark = on_sqlite


async def words(newspaper: Newspaper) -> str:
    answer = await newspaper.browser.get("/account")
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def test_a_stranger_learns_how_access_works(newspaper: Newspaper) -> None:
    await newspaper.store(rows.offer())
    text = await words(newspaper)
    assert "€9.00 a month" in text
    assert "Contact us for a sign-in link" in text
    assert "You can read 3 free articles a month." in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "Active Digital, monthly €9.00 a month Renews on 20 March 2026 for €9.00."),
        (
            {"status": "trialing", "trial_end": NOW + timedelta(days=5)},
            "Free trial Digital, monthly €9.00 a month Free until 15 March 2026, then €9.00 a month.",
        ),
        ({"cancel_at": NOW + timedelta(days=10)}, "Cancelled Digital, monthly"),
        ({"cancel_at": NOW + timedelta(days=10)}, "Ends on 20 March 2026."),
        (
            {"status": "trialing", "cancel_at": NOW + timedelta(days=3)},
            "You can read until 13 March 2026. You won’t be charged.",
        ),
        (
            {"status": "past_due", "past_due_since": NOW},
            "Your payment of €9.00 failed. You can keep reading until 20 March 2026.",
        ),
        ({"status": "past_due", "past_due_since": NOW}, "Pay or update your card"),
        ({"status": "unpaid"}, "You have no access until you pay the open invoice."),
        (
            {"status": "paused", "trial_end": NOW + timedelta(days=10)},
            "Add a payment method to keep reading.",
        ),
        ({"status": "paused"}, "have no access until it resumes."),
        ({"status": "paused", "trial_end": NOW - timedelta(days=90)}, "Contact us to resume it."),
        ({"status": "canceled", "ended_at": NOW}, "Ended on 10 March 2026."),
        ({"status": "canceled", "ended_at": NOW}, "You can subscribe again"),
        ({"status": "incomplete"}, "Choose an offer to start again."),
    ],
)
async def test_a_subscription_in_words(
    newspaper: Newspaper, values: dict[str, Any], expected: str
) -> None:
    await newspaper.subscriber(**values)
    assert expected in await words(newspaper)


@pytest.mark.parametrize(
    ("values", "grant_ends", "wall", "thanks"),
    [
        (
            {"status": "canceled", "ended_at": NOW, "cancel_reason": "payment_failed"}, NOW,
            "Ended on 10 March 2026 because a payment failed. You can subscribe again", None,
        ),
        (
            {"status": "canceled", "ended_at": NOW, "cancel_reason": "cancellation_requested"}, NOW,
            "Ended on 10 March 2026 at your request. You can subscribe again", None,
        ),
        ({"status": "unpaid"}, NOW, "Your access ended on 10 March 2026. It resumes as", None),
        ({"started_at": NOW - timedelta(minutes=5)}, NOW + timedelta(days=10),
         None, "Thank you! Digital, monthly: Renews on 20 March 2026 for €9.00."),
        ({"started_at": NOW - timedelta(minutes=31)}, NOW + timedelta(days=10), None, None),
    ],
)  # fmt: skip
async def test_an_article_says_why_reading_ended_or_thanks(
    newspaper: Newspaper,
    values: dict[str, Any],
    grant_ends: Any,
    wall: str | None,
    thanks: str | None,
) -> None:
    reader, offer = rows.reader(email="ana@example.org"), rows.offer()
    bought = rows.subscription(reader, offer, **values)
    grant = rows.grant(
        reader, source="subscription", reference=bought.id, scope="plan:digital",
        ends_at=grant_ends,
    )  # fmt: skip
    await newspaper.store(reader, offer, bought, grant)
    await newspaper.sign_in(reader.id)
    await newspaper.publish("ledger", level="subscribers")
    answer = await newspaper.browser.get("/articles/ledger")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())
    assert ("Thank you!" in text) == (thanks is not None)
    for expected in (wall, thanks):
        assert expected is None or expected in text
    assert ('class="wall-note"' in answer.text) == (wall is not None)
    walled = await newspaper.browser.get("/v1/articles/ledger/access")
    note = walled.json()["wall"]["note"] if wall is not None else ""
    assert (wall or "") in note


async def test_offers_that_the_portal_leaves_out_are_named(newspaper: Newspaper) -> None:
    """It takes the first of each plan and interval, and none by the seat."""
    await newspaper.subscriber()
    assert "You can’t switch online" not in await words(newspaper), "nothing else is sold"
    sold: dict[str, dict[str, Any]] = {
        "Year": {"interval": "year"},
        "Quarter": {"interval_count": 3},
        "Cheaper": {"interval": "year"},
        "Team": {"most_seats": 5},
        "Dollars": {"currency": "USD", "interval": "week"},
        "Gone": {"archived_at": NOW},
    }
    for place, (name, values) in enumerate(sold.items(), start=1):
        await newspaper.store(
            rows.offer(name=name, position=place, stripe_price_id=f"price_{name}", **values)
        )
    shown = await words(newspaper)
    assert "You can’t switch online to Cheaper (€9.00 a year) or Team (" in shown
    assert "when this subscription has ended" in shown


async def test_access_that_the_newsroom_gave(newspaper: Newspaper) -> None:
    reader = rows.reader()
    await newspaper.store(
        reader, rows.grant(reader, ends_at=NOW + timedelta(days=30)), rows.offer()
    )
    await newspaper.sign_in(reader.id)
    text = await words(newspaper)
    assert "You have complimentary access to everything, until 9 April 2026." in text
    assert "Choose an offer" not in text


async def test_signing_out_ends_the_session_itself(newspaper: Newspaper) -> None:
    await newspaper.subscriber()
    name = cookie_name("session", newspaper.settings)
    secret = newspaper.browser.cookies[name]
    answer = await newspaper.browser.post("/account/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert name not in newspaper.browser.cookies
    newspaper.hold(name, secret)
    assert "Read everything" in await words(newspaper)
    assert name not in newspaper.browser.cookies  # the page clears what has ended


async def link(newspaper: Newspaper) -> str:
    reader = rows.reader(email="ben@example.org")
    await newspaper.store(reader)
    async with newspaper.database.transaction() as session:
        return await create_sign_in_link(session, reader_id=reader.id, now=newspaper.clocks.wall())


async def test_a_link_signs_in_once_and_by_the_button_only(newspaper: Newspaper) -> None:
    token = await link(newspaper)
    for _ in range(2):  # opening it, as mail scanners do too, uses nothing up
        shown = await newspaper.browser.get("/account/sign-in", params={"token": token})
        assert f'value="{token}"' in shown.text
        assert shown.headers["Referrer-Policy"] == "strict-origin"
    used = await newspaper.browser.post("/account/sign-in", data={"token": token})
    assert (used.status_code, used.headers["Location"]) == (303, "/account")
    assert "ben@example.org" in await words(newspaper)
    again = await newspaper.browser.post("/account/sign-in", data={"token": token})
    assert (again.status_code, again.headers["Location"]) == (303, "/account")
    newspaper.browser.cookies.clear()
    again = await newspaper.browser.post("/account/sign-in", data={"token": token})
    assert again.status_code == 410
    assert "This link has expired" in again.text


async def test_signing_in_ends_the_browsers_former_session(newspaper: Newspaper) -> None:
    await newspaper.subscriber()
    name = cookie_name("session", newspaper.settings)
    former = newspaper.browser.cookies[name]
    await newspaper.browser.post("/account/sign-in", data={"token": await link(newspaper)})
    assert "ben@example.org" in await words(newspaper)
    newspaper.browser.cookies.clear()
    newspaper.hold(name, former)
    assert "Read everything" in await words(newspaper)


async def test_an_old_link_is_refused(newspaper: Newspaper) -> None:
    token = await link(newspaper)
    newspaper.clocks.travel(timedelta(minutes=61))
    answer = await newspaper.browser.post("/account/sign-in", data={"token": token})
    assert answer.status_code == 410
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("token", ["", "\0", "x" * 5000])
async def test_what_is_no_token_is_a_page(newspaper: Newspaper, token: str) -> None:
    answer = await newspaper.browser.post("/account/sign-in", data={"token": token})
    assert answer.status_code == 422
    assert "Invalid request" in answer.text


async def test_a_foreign_page_cant_sign_a_reader_in(newspaper: Newspaper) -> None:
    answer = await newspaper.browser.post(
        "/account/sign-in",
        data={"token": await link(newspaper)},
        headers={"Origin": "https://elsewhere.example"},
    )
    assert answer.status_code == 403


async def test_the_portal_needs_a_session_and_something_sold(newspaper: Newspaper) -> None:
    answer = await newspaper.browser.post("/account/portal")
    assert answer.status_code in {401, 503}
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_buying_without_payments_is_a_page(newspaper: Newspaper) -> None:
    answer = await newspaper.browser.post("/subscribe", data={"offer": "off_1"})
    assert answer.status_code == 503
    assert "Subscriptions aren’t available" in answer.text


async def test_who_had_a_subscription_is_promised_no_second_trial(newspaper: Newspaper) -> None:
    await newspaper.store(rows.offer(name="Trying", trial_days=14))
    text = await words(newspaper)
    assert "14 days free, then €9.00 a month" in text
    assert "Start the free trial" in text
    await newspaper.subscriber(status="canceled", ended_at=NOW)
    text = await words(newspaper)
    assert "€9.00 a month" in text
    assert "free" not in text
