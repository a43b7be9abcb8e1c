"""What readers are mailed about what they bought: in their words, once, and only where it arrives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from service.billing import notices
from service.billing.notices import About, Amount, Notice, mail_reader
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Mail, Reader
from service.identity.readers import create_reader
from service.outbox.translations import day_in, money_in
from service.settings import Settings
from tests.billing.test_words import NOW, State
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

DAY = datetime(2026, 4, 9, 23, 30, tzinfo=UTC)
"""The tenth, in the time zone of the tests' newspaper."""
WEEK = timedelta(days=7)
EURO = Amount(123450, "EUR")
PAGE = "https://invoice.example.org/i/1"


def about(state: State | None = None, until: datetime = DAY) -> About:
    return About(state or ACTIVE, "sub_1", "Monthly", until)


ACTIVE = State(current_period_end=DAY)
TRIAL = State("trialing", currency="JPY", next_amount=500, amount=500, interval_count=3)
OWING = State("past_due", payment_problem="card")
SAYS: list[tuple[str, Notice, list[str], list[str]]] = [
    # what it is, the notice, what it says in English and in German
    (
        "paid",
        notices.welcome(
            about(), is_open=True, may_be_used=False, reminds=False, renews=True, receipt=PAGE
        ),
        ["(€9.00 a month)", "Renews on 20 March 2026 for €9.00.", "until you cancel", PAGE],
        ["9,00\N{NO-BREAK SPACE}€ im Monat", "am 20. März 2026", PAGE],
    ),
    (
        "trial",
        notices.welcome(
            about(TRIAL), is_open=True, may_be_used=False, reminds=True, renews=True, receipt=None
        ),
        [
            "Free until 20 March 2026, then ¥500 every 3 months.",
            "you won’t be charged",
            "remind you",
        ],
        ["Bis zum 20. März 2026", "alle 3 Monate", "schreiben wir Ihnen"],
    ),
    (
        "receipt",
        notices.receipt("in_1", about(), EURO, paid_until=DAY, address=PAGE),
        [
            "received your payment of €1,234.50",
            "paid until 10 April 2026",
            "Renews on 20 March 2026",
            PAGE,
        ],
        ["1.234,50\N{NO-BREAK SPACE}€", PAGE],
    ),
    (
        "failed",
        notices.payment_failed("in_1", about(OWING), EURO),
        ["declined the payment of €1,234.50", "You can keep reading until 10 April 2026."],
        ["Sie können bis zum 10. April 2026 weiterlesen"],
    ),
    (
        "bank",
        notices.card_needed(
            "in_1", about(replace(OWING, payment_problem="authentication")), invoice=PAGE
        ),
        ["Your bank asks you to confirm", "keep reading until 10 April 2026", PAGE],
        ["Ihre Bank bittet Sie", PAGE],
    ),
    (
        "ends soon",
        notices.reading_ends(about(OWING)),
        ["You can keep reading until 10 April 2026", "pay the open invoice"],
        ["Sie können bis zum 10. April 2026 weiterlesen"],
    ),
    (
        "closed",
        notices.reading_ended(about(OWING, NOW - WEEK)),
        ["access ended on 3 March 2026", "cancel on your account page"],
        ["Ihr Zugang endete am 3. März 2026"],
    ),
    (
        "no card",
        notices.card_needed(
            "sub_1", about(State("paused", next_amount=None), NOW - WEEK), invoice=None
        ),
        ["“Monthly”, €9.00 a month:", "Add a payment method"],
        ["Geben Sie eine Zahlungsart an"],
    ),
    (
        "trial ends",
        notices.trial_ending(about(replace(TRIAL, next_amount=250)), ends_on=DAY),
        [
            "ends on 10 April 2026",
            "¥500 every 3 months",
            "then ¥250 at first",
            "Cancel before then",
        ],
        ["endet am 10. April 2026", "danach zunächst 250"],
    ),
    (
        "free trial ends, free at first",
        notices.trial_ending(about(replace(TRIAL, next_amount=0)), ends_on=DAY),
        ["then free of charge at first"],
        ["danach zunächst weiter ohne Abbuchung"],
    ),
    (
        "used",
        notices.trial_used(about(State("canceled", access_stop="trial_used", next_amount=None))),
        ["You weren’t charged"],
        ["abgebucht"],
    ),
    (
        "cancelled",
        notices.cancelled(about(State(cancel_at=DAY - 4 * WEEK)), ends_on=DAY),
        ["Ends on 12 March 2026", "You keep your access until then", "Resume it"],
        ["Endet am 12. März 2026"],
    ),
    (
        "cancelled while a payment is open",
        notices.cancelled(about(replace(OWING, cancel_at=DAY + 9 * WEEK)), ends_on=DAY),
        [
            "ends on 12 June 2026",
            "payment of €8.70 failed",
            "keep reading until 10 April 2026",
            "If it succeeds, you can read until 20 March 2026",
        ],
        ["am 12. Juni 2026", "bis zum 10. April 2026"],
    ),
    (
        "cancelled for a later period",
        notices.cancelled(about(State(cancel_at=DAY)), ends_on=DAY),
        ["Renews on 20 March 2026 for €9.00. Ends on 10 April 2026."],
        ["Verlängert sich am 20. März 2026"],
    ),
    (
        "cancelled at once",
        notices.cancelled(
            about(State("canceled", cancel_reason="cancellation_requested")), ends_on=DAY
        ),
        ["Ended on 9 March 2026 at your request"],
        ["wie von Ihnen gewünscht"],
    ),
    (
        "ended",
        notices.ended(about(State("canceled", cancel_reason="payment_failed"))),
        ["because a payment failed", "You can subscribe again"],
        ["weil eine Zahlung fehlgeschlagen ist"],
    ),
    (
        "refund",
        notices.refund("re_1", "Monthly", EURO, about()),
        ["refunded €1,234.50 of what you paid for “Monthly”", "Renews on 20 March 2026"],
        ["erstattet"],
    ),
    (
        "twice",
        notices.refund("re_1", "Monthly", EURO, about(State("canceled", access_stop="duplicate"))),
        ["subscribed twice"],
        ["zweimal abonniert"],
    ),
    (
        "money of a pass",
        notices.refund("re_2", "A week", EURO),
        ["refunded €1,234.50 of what you paid for “A week”"],
        ["erstattet"],
    ),
    (
        "pass",
        notices.bought_pass("pi_1", "A week", EURO, until=DAY, address=None),
        ["You paid €1,234.50 for “A week”", "until 10 April 2026"],
        ["bis zum 10. April 2026"],
    ),
]


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"mail_from": "Gazette <hello@gazette.example.org>", "publication_name": "Gazette"}
    )


@on_sqlite
async def test_every_notice_says_what_happened_in_both_languages(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> None:
    for language, column in (("en", 2), ("de", 3)):
        settings = mailing.model_copy(update={"language": language})
        for row in SAYS:
            async with database.transaction() as session:
                reader = await create_reader(session, email="ana@example.org", clocks=clocks)
                notice = replace(row[1], once=f"{language}{row[1].once}{row[0]}")
                context = Context(settings, clocks, database)
                assert await mail_reader(session, context, reader.id, notice)
                mail = await session.scalar(select(Mail).where(Mail.once == notice.once))
            assert mail is not None
            assert (mail.recipient, mail.reader_id) == ("ana@example.org", reader.id)
            for words in row[column]:  # type: ignore[union-attr]
                assert words in mail.text, (language, row[0])
            assert f"{settings.public_url}/account" in mail.text
            assert f'href="{settings.public_url}/account"' in mail.html
            assert "None" not in mail.text


async def test_a_notice_is_stored_once_and_only_where_it_can_arrive(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> None:
    notice = notices.trial_used(about())

    async def tell(settings: Settings, email: str | None) -> bool:
        async with database.transaction() as session:
            reader = await create_reader(session, email=email, clocks=clocks)
            context = Context(settings, clocks, database)
            return await mail_reader(session, context, reader.id, notice)

    assert not await tell(mailing.model_copy(update={"mail_from": ""}), "ana@example.org")
    assert not await tell(mailing, None)
    assert not await tell(mailing, "not an address")
    assert await tell(mailing, "ana@example.org")
    assert not await tell(mailing, "ana@example.org")
    async with database.reading() as session:
        assert len((await session.scalars(select(Mail))).all()) == 1


@on_sqlite
async def test_nobody_who_was_erased_is_mailed(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> None:
    async with database.transaction() as session:
        reader: Reader = await create_reader(session, email="ana@example.org", clocks=clocks)
        reader.erased_at = clocks.business()
        notice = notices.ended(about())
        context = Context(mailing, clocks, database)
        assert not await mail_reader(session, context, reader.id, notice)
        assert not await mail_reader(session, context, "rdr_0", notice)


@pytest.mark.parametrize(
    ("language", "amount", "currency", "written"),
    [
        ("en", "9", "EUR", "€9.00"),
        ("en", "500", "JPY", "JP¥500"),
        ("en", "1.234", "KWD", "KWD1.234"),
        ("de", "1234.5", "USD", "1.234,50\N{NO-BREAK SPACE}$"),
    ],
)
def test_amounts_as_the_language_writes_them(
    language: str, amount: str, currency: str, written: str
) -> None:
    assert money_in(language, Decimal(amount), currency) == written


@on_sqlite
def test_days_are_those_of_the_newspaper(settings: Settings) -> None:
    assert day_in("en", DAY, settings.zone) == "10 April 2026"
    assert day_in("de", DAY, settings.zone) == "10. April 2026"
