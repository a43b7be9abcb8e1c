"""What pages call the values that figures are told apart by, in place of codes."""

import pytest

from service.db.session import Database
from service.reports.choices import split_words
from service.settings import Settings
from tests.databases import on_sqlite

pytestmark = on_sqlite


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("decline", {
            "expired_card": "The card has expired",
            "do_not_honor": "Refused by the bank, without a reason (do_not_honor)",
            "generic_decline": "Refused by the bank, without a reason (generic_decline)",
            "new_code": "New code",
        }),
        ("tenure", {"day_1": "1 day", "day_100": "31 to 100 days", "later": "Longer"}),
        ("wall", {"register": "To register", "subscribe": "To subscribe"}),
        ("method", {"card": "Card", "sepa_debit": "SEPA debit", "unknown": "Unknown"}),
        ("country", {"US": "United States", "DE": "Germany", "unknown": "Unknown"}),
        ("interval_charged", {"month": "Monthly", "year": "Yearly"}),
        ("cohort", {"2025-12": "Dec 2025"}),
    ],
)  # fmt: skip
async def test_codes_have_words(
    database: Database, settings: Settings, split: str, words: dict[str, str]
) -> None:
    async with database.reading() as session:
        found = await split_words(session, split, words.keys(), settings)
    assert {code: found.get(code) for code in words} == words
