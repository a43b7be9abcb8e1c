"""What readers are mailed about what they bought: in their words, once, and only where it arrives."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from service.billing import notices
from service.billing.notices import Amount, Notice, Rate, mail_reader
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Mail, Reader
from service.identity.readers import create_reader
from service.outbox.translations import day_in, money_in
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

DAY = datetime(2026, 4, 9, 23, 30, tzinfo=UTC)
"""The tenth, in the time zone of the tests' newspaper."""
WEEK = timedelta(days=7)
EURO = Amount(123450, "EUR")
MONTHLY = Rate(900, "EUR", "month", 1)
QUARTER = Rate(500, "JPY", "month", 3)
PAGE = "https://invoice.example.org/i/1"

SAYS: list[tuple[str, Notice, list[str], list[str]]] = [
    # what it is, the notice, what it says in English and in German
    (
        "paid",
        notices.welcome(
            "sub_1", "Monthly", MONTHLY, first=None, renews_on=DAY, trial_until=None, receipt=PAGE
        ),
        ["€9.00 a month", "next on 10 April 2026", PAGE],
        ["9,00\N{NO-BREAK SPACE}€ im Monat", "am 10. April 2026", PAGE],
    ),
    (
        "trial",
        notices.welcome(
            "sub_1", "Quarter", QUARTER, first=None, renews_on=DAY, trial_until=DAY, receipt=None
        ),
        ["free until 10 April 2026", "JP¥500 every 3 months", "nothing is charged"],
        ["Bis zum 10. April 2026", "alle 3 Monate"],
    ),
    (
        "receipt",
        notices.receipt("in_1", "Monthly", EURO, paid_until=DAY, address=PAGE),
        ["received €1,234.50", "paid until 10 April 2026", PAGE],
        ["1.234,50\N{NO-BREAK SPACE}€", PAGE],
    ),
    (
        "failed",
        notices.payment_failed("in_1", "Monthly", EURO, until=DAY),
        ["collect €1,234.50", "reading until 10 April 2026"],
        ["Bis zum 10. April 2026 können Sie weiterlesen"],
    ),
    (
        "bank",
        notices.card_needed("in_1", "Monthly", EURO, asks_bank=True, until=DAY, invoice=PAGE),
        ["Your bank asks you to confirm", "reading ends on 10 April 2026", PAGE],
        ["Ihre Bank bittet", PAGE],
    ),
    (
        "ends soon",
        notices.reading_ends("sub_1", "Monthly", until=DAY),
        ["You can read until 10 April 2026", "pay the open invoice"],
        ["Sie können bis zum 10. April 2026 lesen"],
    ),
    (
        "closed",
        notices.reading_ended("sub_1", "Monthly", ended_on=DAY),
        ["closed since 10 April 2026", "cancel there"],
        ["seit dem 10. April 2026 gesperrt"],
    ),
    (
        "no card",
        notices.card_needed("sub_1", "Monthly", EURO, asks_bank=False, until=None, invoice=None),
        ["We have no card yet"],
        ["Es gibt noch keine Karte"],
    ),
    (
        "trial ends",
        notices.trial_ending("sub_1", "Monthly", MONTHLY, ends_on=DAY, first=EURO),
        [
            "ends on 10 April 2026",
            "costs €9.00 a month",
            "first payment is €1,234.50",
            "Cancel on your account page",
        ],
        ["endet am 10. April 2026"],
    ),
    ("used", notices.trial_used("sub_1", "Monthly"), ["Nothing was charged"], ["abgebucht wurde"]),
    (
        "cancelled",
        notices.cancelled("sub_1", "Monthly", ends_on=DAY, ended=False, open_until=DAY),
        ["ends on 10 April 2026", "resume it"],
        ["endet am 10. April 2026"],
    ),
    (
        "discounted",
        notices.welcome(
            "sub_1",
            "Monthly",
            MONTHLY,
            first=Amount(450, "EUR"),
            renews_on=DAY,
            trial_until=None,
            receipt=None,
        ),
        ["The next payment, on 10 April 2026, is €4.50."],
        ["Die nächste Zahlung, am 10. April 2026, beträgt 4,50"],
    ),
    (
        "cancelled while a payment is open",
        notices.cancelled(
            "sub_1",
            "Monthly",
            ends_on=DAY + 9 * WEEK,
            ended=False,
            owed=EURO,
            open_until=DAY,
            paid_until=DAY + WEEK,
        ),
        [
            "ends on 12 June 2026",
            "€1,234.50 is still open",
            "read until 10 April 2026, and once it is paid until 17 April 2026",
        ],
        ["ist noch offen", "Bis zum 10. April 2026 können Sie lesen"],
    ),
    (
        "cancelled for a later period",
        notices.cancelled("sub_1", "Monthly", ends_on=DAY + WEEK, ended=False, renews_on=DAY),
        ["still renewed and charged on 10 April 2026"],
        ["Am 10. April 2026 wird es noch einmal verlängert"],
    ),
    (
        "cancelled while access is stopped",
        notices.cancelled("sub_1", "Monthly", ends_on=DAY, ended=False),
        ["ends on 10 April 2026, and nothing more is charged"],
        ["endet am 10. April 2026, und es wird nichts mehr abgebucht"],
    ),
    (
        "cancelled while access is stopped and a payment is open",
        notices.cancelled("sub_1", "Monthly", ends_on=DAY, ended=False, owed=EURO),
        ["€1,234.50 is still open, and we go on trying to collect it."],
        ["ist noch offen, und wir versuchen weiter, sie einzuziehen."],
    ),
    (
        "cancelled at once",
        notices.cancelled("sub_1", "Monthly", ends_on=DAY, ended=True),
        ["has ended, and nothing more is charged"],
        ["ist beendet"],
    ),
    ("ended", notices.ended("sub_1", "Monthly"), ["couldn’t collect"], ["nicht einziehen"]),
    (
        "refund",
        notices.refund("re_1", "Monthly", EURO, twice=False),
        ["refunded €1,234.50 of what you paid for “Monthly”"],
        ["erstattet"],
    ),
    (
        "twice",
        notices.refund("re_1", "Monthly", EURO, twice=True),
        ["second subscription", "the first continues"],
        ["ein zweites Abonnement"],
    ),
    (
        "pass",
        notices.bought_pass("pi_1", "A week", EURO, until=DAY, address=None),
        ["“A week” is paid (€1,234.50)", "until 10 April 2026"],
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
                notice = Notice(row[1].kind, f"{language}{row[1].once}{row[0]}", row[1].values)
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
    notice = notices.trial_used("sub_1", "Monthly")

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
        notice = notices.ended("sub_1", "Monthly")
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
